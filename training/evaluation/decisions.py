"""What the decision rule does with every probe: the shares, and how far the probabilities can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from training.calibration.posterior_eval import Answers, Posterior, answer
from training.calibration.posterior_fit import STRANGER_PRIOR
from training.evaluation.bootstrap import BOOTSTRAPS, Array, Draws, Interval, joined, to_interval
from training.evaluation.recognition_metrics import Scores

ECE_BINS = 15


@dataclass(frozen=True)
class Decisions:
    """What a threshold does, as shares. `confidences` and `correct` are those of the queries.

    `right_in_top3` counts every query, `..._where_not_identified` those that the rule did not identify. `ece` is of the
    queries alone; `ece_with_impostors` of all probes as they are; in `ece_as_calibrated` strangers have the weight that
    calibration gives them (None without strangers), which is the mixture that a confidence claims to be right on.
    `ece_if_true` and `ece_as_calibrated_if_true` say what to hold them against (`errors_if_true`).
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
    ece_as_calibrated: Interval | None
    ece_if_true: Interval
    ece_as_calibrated_if_true: Interval | None
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
    weights = joined(drawn, drawn_strangers)
    mixed = _mixed(weights, len(right)) if len(scores.impostors) else None
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
        ece_with_impostors=to_interval(calibration_errors(confidences, correct, weights)),
        ece_as_calibrated=None if mixed is None else to_interval(calibration_errors(confidences, correct, mixed)),
        ece_if_true=errors_if_true(asked.confidence, drawn.weights[0], seed),
        ece_as_calibrated_if_true=None if mixed is None else errors_if_true(confidences, mixed[0], seed),
        confidences=tuple(asked.confidence.tolist()),
        correct=tuple(right.tolist()),
    )


def _mixed(weights: Array, queries: int) -> Array:
    """The same with strangers, the columns behind the `queries`, at the share of `STRANGER_PRIOR`."""
    asked, strangers = weights[:, :queries], weights[:, queries:]
    odds = STRANGER_PRIOR / (1 - STRANGER_PRIOR)
    factor = odds * asked.sum(axis=1, keepdims=True) / np.maximum(strangers.sum(axis=1, keepdims=True), 1e-12)
    return np.concatenate([asked, factor * strangers], axis=1)


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
    surplus = (confidences - correct)[:, np.newaxis] * _binned(confidences)
    return np.asarray(np.abs(weights @ surplus).sum(axis=1) / weights.sum(axis=1))


def errors_if_true(confidences: Array, weights: Array, seed: int) -> Interval:
    """The ECE of so many probes if every confidence were true: on average, and in 95 of 100 cases.

    Not 0: the fewer probes a bin has, the farther its share of right answers lies from what is to be expected. Outcomes
    are drawn with the confidences themselves (consistency resampling: Bröcker & Smith, Weather and Forecasting 2007).
    `weights` is float (probes,).
    """
    drawn = np.random.default_rng(seed).random((BOOTSTRAPS, len(confidences))) < confidences
    errors = np.abs(((confidences - drawn) * weights) @ _binned(confidences)).sum(axis=1) / weights.sum()
    return to_interval(np.append(errors.mean(), errors))


def _binned(confidences: Array) -> NDArray[np.bool_]:
    """Which of the bins each confidence is in, bool (probes, bins)."""
    bins = np.minimum((confidences * ECE_BINS).astype(int), ECE_BINS - 1)
    return np.asarray(bins[:, np.newaxis] == np.arange(ECE_BINS))
