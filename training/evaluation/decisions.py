"""Apply the decision rule to every probe: shares of each decision, and how well confidence is calibrated."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from shared.identification.operating_points import point_threshold
from shared.models.manifest import OperatingPoints
from training.calibration.posterior_eval import Posterior, answer
from training.calibration.posterior_fit import STRANGER_PRIOR
from training.evaluation.bootstrap import BOOTSTRAPS, Array, Draws, Interval, joined, to_interval
from training.evaluation.recognition_metrics import Scores

ECE_BINS = 15
SHOWN = 3
"""Candidates that are listed."""


@dataclass(frozen=True)
class Decisions:
    """Shares of each decision at a threshold, of queries and of impostors (None without impostors).

    `right_in_top3_where_not_identified` counts the queries that were not identified. `confidences` and `correct` have
    one value per query. `ece` is the expected calibration error (ECE) of the queries alone. `ece_as_calibrated` gives
    impostors the weight that calibration gives them: half of the probes are then strangers, and confidence is
    calibrated for that mixture. For the two `..._if_true` figures see `errors_if_true`.
    """

    threshold: float
    identified_rightly: Interval
    identified_wrongly: Interval
    candidates: Interval
    unknown: Interval
    right_in_top3_where_not_identified: Interval | None
    impostors_identified: Interval | None
    impostors_unknown: Interval | None
    ece: Interval
    ece_as_calibrated: Interval | None
    ece_if_true: Interval
    ece_as_calibrated_if_true: Interval | None
    confidences: tuple[float, ...]
    correct: tuple[bool, ...]

    def figures(self) -> dict[str, object]:
        """Return the figures as plain dictionaries, without the values of single queries."""
        return {name: value for name, value in asdict(self).items() if name not in {"confidences", "correct"}}


def decisions(scores: Scores, posterior: Posterior, threshold: float, seed: int = 0) -> Decisions:
    """Decide every probe of a track and return the shares."""
    queries, impostors = answer(scores.queries, posterior), answer(scores.impostors, posterior)
    drawn, drawn_impostors = scores.draws(seed)
    outcome, right = queries.outcomes(threshold), queries.first == scores.truth
    impostor_outcome = impostors.outcomes(threshold)
    confidences = np.append(queries.confidence, impostors.confidence)
    correct = np.append(right, np.zeros(len(scores.impostors), bool))
    weights = joined(drawn, drawn_impostors)
    mixed = _as_calibrated(weights, len(right)) if len(scores.impostors) else None
    return Decisions(
        threshold=threshold,
        identified_rightly=drawn.mean((outcome == "identified") & right),
        identified_wrongly=drawn.mean((outcome == "identified") & ~right),
        candidates=drawn.mean(outcome == "candidates"),
        unknown=drawn.mean(outcome == "unknown"),
        right_in_top3_where_not_identified=_among(outcome != "identified", scores.ranks <= SHOWN, drawn),
        impostors_identified=_share(impostor_outcome == "identified", drawn_impostors),
        impostors_unknown=_share(impostor_outcome == "unknown", drawn_impostors),
        ece=to_interval(calibration_errors(queries.confidence, right, drawn.weights)),
        ece_as_calibrated=None if mixed is None else to_interval(calibration_errors(confidences, correct, mixed)),
        ece_if_true=errors_if_true(queries.confidence, drawn.weights[0], seed),
        ece_as_calibrated_if_true=None if mixed is None else errors_if_true(confidences, mixed[0], seed),
        confidences=tuple(queries.confidence.tolist()),
        correct=tuple(right.tolist()),
    )


def _as_calibrated(weights: Array, queries: int) -> Array:
    """Scale the weights of impostors, the columns after the first `queries`, to the share `STRANGER_PRIOR`."""
    own, impostors = weights[:, :queries], weights[:, queries:]
    odds = STRANGER_PRIOR / (1 - STRANGER_PRIOR)
    factor = odds * own.sum(axis=1, keepdims=True) / np.maximum(impostors.sum(axis=1, keepdims=True), 1e-12)
    return np.concatenate([own, factor * impostors], axis=1)


def _share(hit: NDArray[np.bool_], drawn: Draws) -> Interval | None:
    """Return the share of hits; None without probes."""
    return drawn.mean(hit) if len(hit) else None


def _among(group: NDArray[np.bool_], hit: NDArray[np.bool_], drawn: Draws) -> Interval | None:
    """Return the share of hits in a group; None for an empty group."""
    if not group.any():
        return None
    inside = drawn.means(group)
    shares = np.divide(drawn.means(group & hit), inside, out=np.full(len(inside), np.nan), where=inside > 0)
    return to_interval(shares)


def calibration_errors(confidences: Array, correct: NDArray[np.bool_], weights: Array) -> Array:
    """Return the ECE with 15 equal bins (Guo et al., ICML 2017) for each row of weights, float (draws, probes)."""
    surplus = (confidences - correct)[:, np.newaxis] * _binned(confidences)
    return np.asarray(np.abs(weights @ surplus).sum(axis=1) / weights.sum(axis=1))


def errors_if_true(confidences: Array, weights: Array, seed: int) -> Interval:
    """Return the ECE that perfectly calibrated confidences would have: its mean and its 95 % interval.

    It is above 0, because a bin with few probes rarely shows exactly the expected share of right answers. The outcomes
    are drawn with the confidences themselves (consistency resampling: Bröcker & Smith, Weather and Forecasting 2007).
    `weights` is float (probes,).
    """
    drawn = np.random.default_rng(seed).random((BOOTSTRAPS, len(confidences))) < confidences
    errors = np.abs(((confidences - drawn) * weights) @ _binned(confidences)).sum(axis=1) / weights.sum()
    return to_interval(np.append(errors.mean(), errors))


def _binned(confidences: Array) -> NDArray[np.bool_]:
    """Return which bin each confidence belongs to, bool (probes, bins)."""
    bins = np.minimum((confidences * ECE_BINS).astype(int), ECE_BINS - 1)
    return np.asarray(bins[:, np.newaxis] == np.arange(ECE_BINS))


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and its origin. The threshold None identifies no patient."""

    name: str
    threshold: float | None
    origin: str


@dataclass(frozen=True)
class PointFigures:
    """Shares of queries and of impostors at an operating point.

    `patient_shown`: the patient is identified or among the candidates. `impostors_shown`: an impostor sees a patient.
    """

    name: str
    threshold: float | None
    identified_rightly: Interval
    identified_wrongly: Interval
    patient_shown: Interval
    impostors_identified: Interval | None
    impostors_shown: Interval | None


def operating_points(model: OperatingPoints | None, standard: float) -> list[OperatingPoint]:
    """Return the operating points of a modality; without `strict` if the model has none."""
    points = [
        OperatingPoint("standard", standard, "registry"),
        OperatingPoint("investigation", None, "the three nearest, always"),
    ]
    if model is None:
        return points
    return [OperatingPoint("strict", point_threshold("strict", standard, model.strict), model.strict_origin), *points]


def point_figures(scores: Scores, posterior: Posterior, point: OperatingPoint, seed: int = 0) -> PointFigures:
    """Decide every probe of a track at an operating point."""
    queries, impostors = answer(scores.queries, posterior), answer(scores.impostors, posterior)
    drawn, drawn_impostors = scores.draws(seed)
    outcome, impostor_outcome = queries.outcomes(point.threshold), impostors.outcomes(point.threshold)
    right = queries.first == scores.truth
    shown = ((outcome == "identified") & right) | ((outcome == "candidates") & (scores.ranks <= SHOWN))
    return PointFigures(
        name=point.name,
        threshold=point.threshold,
        identified_rightly=drawn.mean((outcome == "identified") & right),
        identified_wrongly=drawn.mean((outcome == "identified") & ~right),
        patient_shown=drawn.mean(shown),
        impostors_identified=_share(impostor_outcome == "identified", drawn_impostors),
        impostors_shown=_share(impostor_outcome != "unknown", drawn_impostors),
    )
