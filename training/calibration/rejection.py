"""When COMPA refuses: the temperature of its probabilities and the threshold on that of `other`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.models.manifest import Rejection
from training.data.labelled_images import CLEAN

LEAST, MOST = 0.001, 0.9
"""A threshold outside would refuse, or accept, nearly everything of a picture that was never seen."""


def fit_rejection(
    probabilities: NDArray[np.float32], labels: NDArray[np.intp], mishaps: Sequence[str], accepted_loss: float
) -> Rejection:
    """Temperature by likelihood, never sharper than trained; a threshold on P(other).

    The threshold refuses at most the share `accepted_loss` of good pictures as they are, and at most a point more
    after any mishap. `probabilities` is float (n, labels), `other` last; `mishaps` says what happened to each picture.
    """
    happened, good = np.array(mishaps), labels < probabilities.shape[1] - 1
    temperature = fitted_temperature(probabilities, labels)
    other = tempered(probabilities, temperature)[:, -1]
    allowed = {
        name: accepted_loss + (0.0 if name == CLEAN else 0.01) for name in dict.fromkeys(happened[good].tolist())
    }
    needed = [np.quantile(other[good & (happened == name)], 1 - share) for name, share in allowed.items()]
    # just above the quantile, since a picture at the threshold is refused
    threshold = float(np.clip(np.nextafter(max(needed), 1.0), LEAST, MOST))
    return Rejection(temperature=temperature, threshold=float(np.ceil(threshold * 1e4) / 1e4))


def fitted_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """The likeliest of 1 to 4."""
    logs = np.log(np.clip(probabilities.astype(np.float64), 1e-9, 1.0))
    return float(min(np.geomspace(1.0, 4.0, 40), key=lambda t: _negative_log_likelihood(logs / t, labels)))


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """As the service tempers them: float (n, labels), rows sum to 1."""
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-9, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _negative_log_likelihood(logits: NDArray[np.float64], labels: NDArray[np.intp]) -> float:
    normaliser = np.logaddexp.reduce(logits, axis=1)
    return float(np.mean(normaliser - logits[np.arange(len(labels)), labels]))
