"""What the decision rule does with every probe: the shares, and how far the probabilities can be trusted.

The seam to whatever compares pictures is `Posterior`: it takes one score per enrolled subject, and what a score is (a
cosine, a fused log likelihood ratio) is its own affair.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared.identification.calibration import posterior
from shared.identification.decision import decide
from shared.identification.matching import NEIGHBOURS
from shared.models.folder import Calibration
from training.evaluation.bootstrap import Array, Draws, Interval, joined, to_interval
from training.evaluation.metrics import Scores

ECE_BINS = 15


class Posterior(Protocol):
    """How a method turns the scores of one probe into probabilities."""

    def __call__(self, scores: Array, enrolled: int) -> tuple[Array, float]:
        """Probabilities of the subjects behind `scores`, float (k,), and of nobody, with `enrolled` subjects in all."""


@dataclass(frozen=True)
class CalibratedPosterior:
    """The posterior that serves, of log likelihood ratios."""

    calibration: Calibration

    def __call__(self, scores: Array, enrolled: int) -> tuple[Array, float]:
        """See `shared.identification.calibration`."""
        return posterior(scores, enrolled, self.calibration)


@dataclass(frozen=True)
class Answers:
    """Of every probe: the column of the first subject, its probability, and that of nobody who is enrolled."""

    first: NDArray[np.intp]
    confidence: Array
    unknown: Array

    def outcomes(self, threshold: float) -> NDArray[np.str_]:
        """`identified`, `candidates` or `unknown`, by the rule that serves."""
        both = zip(self.confidence.tolist(), self.unknown.tolist(), strict=True)
        return np.array([decide(top, unknown, threshold) for top, unknown in both], "U10")


def answer(scores: Array, method: Posterior) -> Answers:
    """Answer every row of float (probes, subjects); as in service, only the nearest subjects enter the posterior."""
    enrolled = scores.shape[1]
    kept = min(NEIGHBOURS, enrolled)
    nearest = -np.sort(np.partition(-scores, kept - 1, axis=1)[:, :kept], axis=1)
    found = [method(row, enrolled) for row in nearest]
    return Answers(
        scores.argmax(axis=1),
        np.array([probabilities[0] for probabilities, _ in found], np.float64),
        np.array([unknown for _, unknown in found], np.float64),
    )


@dataclass(frozen=True)
class Decisions:
    """What a threshold does, as shares. `confidences` and `correct` are those of the queries.

    `right_in_top3` counts every query, `..._where_not_identified` those that the rule did not identify.
    """

    threshold: float
    identified_rightly: Interval
    identified_wrongly: Interval
    candidates: Interval
    unknown: Interval
    right_in_top3: Interval
    right_in_top3_where_not_identified: Interval | None
    impostors_identified: Interval | None
    impostors_candidates: Interval | None
    impostors_unknown: Interval | None
    ece: Interval
    ece_with_impostors: Interval
    confidences: tuple[float, ...]
    correct: tuple[bool, ...]

    def figures(self) -> dict[str, object]:
        """The figures alone, as plain dictionaries."""
        return {name: value for name, value in asdict(self).items() if name not in {"confidences", "correct"}}


def decisions(scores: Scores, method: Posterior, threshold: float, seed: int = 0) -> Decisions:
    """Decide every probe of a track."""
    asked, strangers = answer(scores.queries, method), answer(scores.impostors, method)
    drawn, drawn_strangers = scores.draws(seed)
    outcome, right = asked.outcomes(threshold), asked.first == scores.truth
    confidences = np.append(asked.confidence, strangers.confidence)
    correct = np.append(right, np.zeros(len(scores.impostors), bool))
    return Decisions(
        threshold=threshold,
        identified_rightly=drawn.mean((outcome == "identified") & right),
        identified_wrongly=drawn.mean((outcome == "identified") & ~right),
        candidates=drawn.mean(outcome == "candidates"),
        unknown=drawn.mean(outcome == "unknown"),
        right_in_top3=drawn.mean(scores.ranks <= 3),
        right_in_top3_where_not_identified=_among(outcome != "identified", scores.ranks <= 3, drawn),
        **{f"impostors_{name}": share for name, share in _of_strangers(strangers, threshold, drawn_strangers).items()},
        ece=to_interval(calibration_errors(asked.confidence, right, drawn.weights)),
        ece_with_impostors=to_interval(calibration_errors(confidences, correct, joined(drawn, drawn_strangers))),
        confidences=tuple(asked.confidence.tolist()),
        correct=tuple(right.tolist()),
    )


def _among(group: NDArray[np.bool_], hit: NDArray[np.bool_], drawn: Draws) -> Interval | None:
    """The share of a group that is hit; None for an empty group."""
    if not group.any():
        return None
    inside = drawn.means(group)
    shares = np.divide(drawn.means(group & hit), inside, out=np.full(len(inside), np.nan), where=inside > 0)
    return to_interval(shares)


def _of_strangers(strangers: Answers, threshold: float, drawn: Draws) -> dict[str, Interval | None]:
    outcome = strangers.outcomes(threshold)
    return {
        name: drawn.mean(outcome == name) if len(outcome) else None for name in ("identified", "candidates", "unknown")
    }


def calibration_errors(confidences: Array, correct: NDArray[np.bool_], weights: Array) -> Array:
    """ECE with 15 equal bins (Guo et al., ICML 2017) under each row of weights, float (draws, probes)."""
    bins = np.minimum((confidences * ECE_BINS).astype(int), ECE_BINS - 1)
    surplus = (confidences - correct)[:, np.newaxis] * (bins[:, np.newaxis] == np.arange(ECE_BINS))
    return np.asarray(np.abs(weights @ surplus).sum(axis=1) / weights.sum(axis=1))
