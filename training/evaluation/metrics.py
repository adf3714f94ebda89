"""The figures of the protocol, from subject similarities: float (queries + impostors, subjects)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from shared.identification.calibration import posterior
from shared.identification.decision import decide
from shared.identification.matching import NEIGHBOURS
from shared.models.folder import Calibration

Array = NDArray[np.float64]
BOOTSTRAPS = 1000
ECE_BINS = 15


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval by bootstrap over subjects."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """Similarities of one track by one method."""

    queries: Array
    impostors: Array
    truth: NDArray[np.intp]
    query_subjects: Sequence[str]
    impostor_subjects: Sequence[str]

    @property
    def own(self) -> Array:
        """Each query's similarity to its own subject."""
        return self.queries[np.arange(len(self.truth)), self.truth]

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Rank of each query's own subject, from 1; ties count against it."""
        return np.asarray((self.queries >= self.own[:, np.newaxis]).sum(axis=1))

    @property
    def impostor_tops(self) -> Array:
        """Each impostor's best similarity."""
        return self.impostors.max(axis=1) if len(self.impostors) else np.empty(0)


def identification(scores: Scores, seed: int = 0) -> dict[str, Interval]:
    """Rank-1, rank-3 and mean average precision (one relevant subject: 1 / rank)."""
    ranks = scores.ranks
    return {
        "rank1": over_subjects(lambda i: float(np.mean(ranks[i] == 1)), scores.query_subjects, seed),
        "rank3": over_subjects(lambda i: float(np.mean(ranks[i] <= 3)), scores.query_subjects, seed),
        "map": over_subjects(lambda i: float(np.mean(1 / ranks[i])), scores.query_subjects, seed),
    }


def cumulative_match(scores: Scores, depth: int = 20) -> Array:
    """CMC: share of queries whose subject is among the first k, for k = 1..depth."""
    return np.array([np.mean(scores.ranks <= k) for k in range(1, min(depth, scores.queries.shape[1]) + 1)])


def pairs(scores: Scores) -> tuple[Array, Array]:
    """Genuine and impostor comparisons: of the queries all, of the strangers all."""
    others = np.ones_like(scores.queries, dtype=bool)
    others[np.arange(len(scores.truth)), scores.truth] = False
    return scores.own, np.concatenate([scores.queries[others], scores.impostors.ravel()])


def verification(scores: Scores) -> dict[str, float]:
    """ROC AUC and EER of genuine against impostor comparisons."""
    genuine, impostor = pairs(scores)
    _, false_match, false_non_match = error_rates(genuine, impostor)
    crossing = int(np.argmin(np.abs(false_match - false_non_match)))
    eer = float((false_match[crossing] + false_non_match[crossing]) / 2)
    return {"auc": area_under_roc(genuine, impostor), "eer": eer}


def error_rates(genuine: Array, impostor: Array) -> tuple[Array, Array, Array]:
    """Thresholds, FMR and FNMR at each, a match being a similarity at or over the threshold."""
    thresholds = np.unique(np.concatenate([genuine, impostor]))
    thresholds = np.append(thresholds, np.nextafter(thresholds[-1], np.inf))
    false_match = 1 - np.searchsorted(np.sort(impostor), thresholds) / max(len(impostor), 1)
    false_non_match = np.searchsorted(np.sort(genuine), thresholds) / len(genuine)
    return thresholds, false_match, false_non_match


def area_under_roc(genuine: Array, impostor: Array) -> float:
    """Probability that a genuine comparison beats an impostor's, ties counting half (Mann-Whitney)."""
    ordered = np.sort(impostor)
    below = np.searchsorted(ordered, genuine, "left")
    upto = np.searchsorted(ordered, genuine, "right")
    return float(np.mean((below + upto) / 2) / max(len(impostor), 1))


def open_set(scores: Scores, fpir: float, seed: int = 0) -> Interval | None:
    """FNIR at a FPIR: a query is found only where its subject ranks first and scores over the threshold.

    The threshold is the lowest that at most the share `fpir` of the impostors passes; the interval draws impostors anew
    too, because the threshold is theirs. None without impostors.
    """
    if not len(scores.impostors):
        return None
    tops, first, own = scores.impostor_tops, scores.ranks == 1, scores.own
    queries, impostors = _groups(scores.query_subjects), _groups(scores.impostor_subjects)
    rng = np.random.default_rng(seed)
    figures = [
        _false_negatives(first[asked], own[asked], tops[_draw(impostors, rng)], fpir)
        for asked in (_draw(queries, rng) for _ in range(BOOTSTRAPS))
    ]
    return _interval(_false_negatives(first, own, tops, fpir), figures)


def _false_negatives(first: NDArray[np.bool_], own: Array, tops: Array, fpir: float) -> float:
    allowed = min(int(fpir * len(tops)), len(tops) - 1)
    threshold = np.partition(tops, len(tops) - 1 - allowed)[len(tops) - 1 - allowed]
    return float(np.mean(~(first & (own > threshold))))


def over_subjects(figure: Callable[[NDArray[np.intp]], float], subjects: Sequence[str], seed: int) -> Interval:
    """A figure of probe indexes, with the interval of drawing subjects with replacement."""
    groups = _groups(subjects)
    rng = np.random.default_rng(seed)
    return _interval(figure(np.arange(len(subjects))), [figure(_draw(groups, rng)) for _ in range(BOOTSTRAPS)])


def _groups(subjects: Sequence[str]) -> list[NDArray[np.intp]]:
    """Probe indexes of each subject."""
    return [np.flatnonzero(np.array(subjects) == subject) for subject in sorted(set(subjects))]


def _draw(groups: Sequence[NDArray[np.intp]], rng: np.random.Generator) -> NDArray[np.intp]:
    return np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])


def _interval(value: float, figures: Sequence[float]) -> Interval:
    low, high = np.quantile(figures, [0.025, 0.975])
    return Interval(value, float(low), float(high))


@dataclass(frozen=True)
class Decisions:
    """What the shipped threshold does, as shares. `confidences` and `correct` are those of the queries."""

    identified_rightly: float
    identified_wrongly: float
    candidates: float
    unknown: float
    right_in_top3_where_not_identified: float | None
    impostors_identified: float | None
    impostors_candidates: float | None
    impostors_unknown: float | None
    ece: float
    ece_with_impostors: float
    confidences: tuple[float, ...]
    correct: tuple[bool, ...]

    def figures(self) -> dict[str, float | None]:
        """The shares alone."""
        return {name: value for name, value in asdict(self).items() if name not in {"confidences", "correct"}}


def decisions(scores: Scores, calibration: Calibration, threshold: float) -> Decisions:
    """Decide every probe with the functions that serve."""
    asked = [_decide(row, calibration, threshold) for row in scores.queries]
    strangers = [_decide(row, calibration, threshold) for row in scores.impostors]
    outcome = np.array([decision for decision, _, _ in asked])
    right = np.array([best == truth for (_, best, _), truth in zip(asked, scores.truth, strict=True)])
    confidences = np.array([confidence for *_, confidence in asked])
    in_top3 = scores.ranks[outcome != "identified"] <= 3
    false_positives = {
        f"impostors_{name}": float(np.mean([decision == name for decision, *_ in strangers])) if strangers else None
        for name in ("identified", "candidates", "unknown")
    }
    return Decisions(
        identified_rightly=float(np.mean((outcome == "identified") & right)),
        identified_wrongly=float(np.mean((outcome == "identified") & ~right)),
        candidates=float(np.mean(outcome == "candidates")),
        unknown=float(np.mean(outcome == "unknown")),
        right_in_top3_where_not_identified=float(np.mean(in_top3)) if len(in_top3) else None,
        **false_positives,
        ece=expected_calibration_error(confidences, right),
        ece_with_impostors=expected_calibration_error(
            np.append(confidences, [confidence for *_, confidence in strangers]),
            np.append(right, np.zeros(len(strangers), bool)),
        ),
        confidences=tuple(confidences.tolist()),
        correct=tuple(right.tolist()),
    )


def _decide(similarities: Array, calibration: Calibration, threshold: float) -> tuple[str, int, float]:
    """Decision, column and confidence of the nearest subject; as in service, only the nearest enter the posterior."""
    nearest = np.sort(similarities)[::-1][:NEIGHBOURS]
    probabilities, unknown = posterior(nearest, len(similarities), calibration)
    confidence = float(probabilities[0])
    return decide(confidence, unknown, threshold), int(np.argmax(similarities)), confidence


def expected_calibration_error(confidences: Array, correct: NDArray[np.bool_]) -> float:
    """ECE with 15 equal bins (Guo et al., ICML 2017)."""
    bins = np.minimum((confidences * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = [
        np.mean(bins == b) * abs(np.mean(correct[bins == b]) - np.mean(confidences[bins == b])) for b in np.unique(bins)
    ]
    return float(np.sum(gaps))
