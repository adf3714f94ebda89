"""COMPA's refusal: temperature of its probabilities, threshold on that of `other`, and validation figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from shared.models.manifest import Rejection
from training.data.labelled_images import CLEAN
from training.engine.feature_cache import LabelledFeatures

LEAST, MOST = 0.001, 0.9
"""Bounds of the threshold. Outside, nearly all unknown images would be refused, or accepted."""

Figures = dict[str, float | str]


def fit_rejection(
    probabilities: NDArray[np.float32], labels: NDArray[np.intp], corruptions: Sequence[str], false_refusal_rate: float
) -> Rejection:
    """Fit a temperature by likelihood, never sharper than trained, and a threshold on P(other).

    The threshold refuses at most the fraction `false_refusal_rate` of good clean images, and 0.01 more after any
    corruption. `probabilities` is float32 (n, labels), `other` last; `corruptions` names that of each image.
    """
    happened, good = np.array(corruptions), labels < probabilities.shape[1] - 1
    temperature = fitted_temperature(probabilities, labels)
    other = tempered(probabilities, temperature)[:, -1]
    allowed = {
        name: false_refusal_rate + (0.0 if name == CLEAN else 0.01) for name in dict.fromkeys(happened[good].tolist())
    }
    needed = [np.quantile(other[good & (happened == name)], 1 - share) for name, share in allowed.items()]
    # just above the quantile, since an image at the threshold is refused
    threshold = float(np.clip(np.nextafter(max(needed), 1.0), LEAST, MOST))
    return Rejection(temperature=temperature, threshold=float(np.ceil(threshold * 1e4) / 1e4))


def fitted_temperature(probabilities: NDArray[np.float32], labels: NDArray[np.intp]) -> float:
    """Return the most likely temperature from 1 to 4."""
    logs = np.log(np.clip(probabilities.astype(np.float64), 1e-9, 1.0))
    return float(min(np.geomspace(1.0, 4.0, 40), key=lambda t: _negative_log_likelihood(logs / t, labels)))


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Apply a temperature as the service does: float64 (n, labels), rows sum to 1."""
    logits = np.log(np.clip(probabilities.astype(np.float64), 1e-9, 1.0)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _negative_log_likelihood(logits: NDArray[np.float64], labels: NDArray[np.intp]) -> float:
    normaliser = np.logaddexp.reduce(logits, axis=1)
    return float(np.mean(normaliser - logits[np.arange(len(labels)), labels]))


def rejection_figures(
    probabilities: NDArray[np.float32], images: LabelledFeatures, rejection: Rejection, held_out: Collection[str]
) -> Figures:
    """Return accuracy and fractions refused: clean, after each corruption, and of out-of-domain families."""
    other = probabilities.shape[1] - 1
    refused = tempered(probabilities, rejection.temperature)[:, other] >= rejection.threshold
    good, happened = images.labels < other, np.array(images.corruptions)
    right = probabilities[:, :other].argmax(axis=1) == images.labels
    parts = {name: good & (happened == name) for name in dict.fromkeys(images.corruptions)}
    clean = parts.pop(CLEAN)
    unseen = np.isin(images.sources, list(held_out))
    figures: Figures = {
        "accuracy over the modalities": float(right[clean].mean()),
        "good pictures refused": float(refused[clean].mean()),
        "foreign pictures refused": share_of(refused[~good & ~unseen]),
        "foreign pictures refused, families never learned from": share_of(refused[~good & unseen]),
    }
    for name, part in parts.items():
        figures[f"accuracy, {name}"] = float(right[part].mean())
        figures[f"good pictures refused, {name}"] = float(refused[part].mean())
    return figures


def subtype_figures(
    outputs: Mapping[str, NDArray[np.float32]], images: LabelledFeatures, names: Mapping[str, Sequence[str]]
) -> Figures:
    """Return how often the sub-type is right, of upright validation images with a known sub-type."""
    figures: Figures = {}
    for column, (modality, subtypes) in zip(images.subtypes.T, names.items(), strict=True):
        known = column >= 0
        right = outputs[modality][known].argmax(axis=1) == column[known]
        figures[f"sub-type of {modality} ({', '.join(subtypes)})"] = share_of(right)
    return figures


def share_of(flags: NDArray[np.bool_]) -> str:
    """Return a fraction with its 95 % interval (Wilson) and the number of images, in words."""
    if not len(flags):
        return "no such pictures"
    interval = binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
    return f"{flags.mean():.3f} ({interval.low:.3f}-{interval.high:.3f}, {len(flags)} pictures)"
