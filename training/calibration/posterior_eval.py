"""The serving rule applied to many probes at once: thresholds are chosen by it, and evaluation judges it.

Methods of comparison meet it through `Posterior`, which takes one score per enrolled subject: a cosine or a fused log
likelihood ratio, as the method defines it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.identification.calibration import posterior
from shared.identification.decision import decide
from shared.identification.matching import MAX_CANDIDATES
from shared.models.manifest import Calibration

Array = NDArray[np.float64]


class Posterior(Protocol):
    """Turns the scores of one probe into probabilities."""

    def __call__(self, scores: Array, enrolled: int) -> tuple[Array, float]:
        """Return probabilities of the `scores`, float (k,), and of unknown; `enrolled` is the gallery's size."""


@dataclass(frozen=True)
class CalibratedPosterior:
    """The posterior of the service, for log likelihood ratios."""

    calibration: Calibration

    def __call__(self, scores: Array, enrolled: int) -> tuple[Array, float]:
        """See `shared.identification.calibration`."""
        return posterior(scores, enrolled, self.calibration)


@dataclass(frozen=True)
class Answers:
    """Answers to probes: column of the first subject, int (n,), its probability and that of unknown, float (n,)."""

    first: NDArray[np.intp]
    confidence: Array
    unknown: Array

    def outcomes(self, threshold: float | None) -> NDArray[np.str_]:
        """Return `identified`, `candidates` or `unknown` of each probe. Threshold None identifies no probe."""
        both = zip(self.confidence.tolist(), self.unknown.tolist(), strict=True)
        return np.array([decide(top, unknown, threshold) for top, unknown in both], "U10")


def answer(scores: Array, method: Posterior) -> Answers:
    """Answer every row of float (probes, subjects). As in service, only the nearest subjects enter the posterior."""
    enrolled = scores.shape[1]
    kept = min(MAX_CANDIDATES, enrolled)
    nearest = -np.sort(np.partition(-scores, kept - 1, axis=1)[:, :kept], axis=1)
    found = [method(row, enrolled) for row in nearest]
    return Answers(
        scores.argmax(axis=1),
        np.array([probabilities[0] for probabilities, _ in found], np.float64),
        np.array([unknown for _, unknown in found], np.float64),
    )
