"""The figures of the protocol, from one score per probe and enrolled subject: float (queries + impostors, subjects).

Nothing here asks what a score is: a cosine, a number of inliers or a fused log likelihood ratio; larger is nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Array, Draws, Interval, joined, to_interval

THRESHOLDS = 1000
"""Quantiles of the impostors' scores at which error rates are taken, beside every genuine score."""


@dataclass(frozen=True)
class Scores:
    """Scores of one track by one method."""

    queries: Array
    impostors: Array
    truth: NDArray[np.intp]
    query_subjects: Sequence[str]
    impostor_subjects: Sequence[str]

    @cached_property
    def own(self) -> Array:
        """Each query's score against its own subject."""
        return self.queries[np.arange(len(self.truth)), self.truth]

    @cached_property
    def ranks(self) -> NDArray[np.intp]:
        """Rank of each query's own subject, from 1; ties count against it."""
        return np.asarray((self.queries >= self.own[:, np.newaxis]).sum(axis=1))

    @property
    def impostor_tops(self) -> Array:
        """Each impostor's best score."""
        return self.impostors.max(axis=1) if len(self.impostors) else np.empty(0)

    @property
    def others(self) -> list[Array]:
        """Per probe, queries first: its scores against everybody else, sorted."""
        rows = [np.delete(row, truth) for row, truth in zip(self.queries, self.truth, strict=True)]
        return [np.sort(row) for row in (*rows, *self.impostors)]

    def draws(self, seed: int) -> tuple[Draws, Draws]:
        """Draws of the queries' subjects, and of the impostors'."""
        return Draws(self.query_subjects, seed), Draws(self.impostor_subjects, seed + 1)


def identification(scores: Scores, seed: int = 0) -> dict[str, Interval]:
    """Rank-1, rank-3 and mean average precision (one relevant subject: 1 / rank)."""
    ranks, (asked, _) = scores.ranks, scores.draws(seed)
    return {"rank1": asked.mean(ranks == 1), "rank3": asked.mean(ranks <= 3), "map": asked.mean(1 / ranks)}


def cumulative_match(scores: Scores, depth: int = 20) -> Array:
    """CMC: share of queries whose subject is among the first k, for k = 1..depth."""
    return np.array([np.mean(scores.ranks <= k) for k in range(1, min(depth, scores.queries.shape[1]) + 1)])


def pairs(scores: Scores) -> tuple[Array, Array]:
    """Genuine and impostor comparisons: of the queries all, of the strangers all."""
    return scores.own, np.concatenate(scores.others)


def error_rates(genuine: Array, impostor: Array) -> tuple[Array, Array, Array]:
    """Thresholds, FMR and FNMR at each, a match being a score at or over the threshold."""
    thresholds = np.unique(np.concatenate([genuine, impostor]))
    thresholds = np.append(thresholds, np.nextafter(thresholds[-1], np.inf))
    false_match = 1 - np.searchsorted(np.sort(impostor), thresholds) / max(len(impostor), 1)
    false_non_match = np.searchsorted(np.sort(genuine), thresholds) / len(genuine)
    return thresholds, false_match, false_non_match


def verification(scores: Scores, seed: int = 0) -> dict[str, Interval] | None:
    """ROC AUC and EER of genuine against impostor comparisons; None where there is nobody to be confused with."""
    others, (asked, strangers) = scores.others, scores.draws(seed)
    if not sum(map(len, others)):
        return None
    everybody = joined(asked, strangers)
    return {
        "auc": to_interval(_area_under_roc(scores.own, others, asked.weights, everybody)),
        "eer": to_interval(_equal_error_rate(scores.own, others, asked.weights, everybody)),
    }


def _area_under_roc(own: Array, others: Sequence[Array], asked: Array, everybody: Array) -> Array:
    """Probability that a genuine comparison beats an impostor's, ties counting half (Mann-Whitney), in every draw."""
    below = [np.searchsorted(row, own, "left") + np.searchsorted(row, own, "right") for row in others]
    wins = np.stack(below, axis=1) / 2  # (queries, probes)
    compared = everybody @ np.array([len(row) for row in others], np.float64)
    return np.asarray(((asked @ wins) * everybody).sum(axis=1) / (asked.sum(axis=1) * compared))


def _equal_error_rate(own: Array, others: Sequence[Array], asked: Array, everybody: Array) -> Array:
    """The rate at which FMR and FNMR are nearest to each other, the mean of both, in every draw."""
    impostor = np.concatenate(others)
    thresholds = np.unique(np.concatenate([own, np.quantile(impostor, np.linspace(0, 1, THRESHOLDS))]))
    thresholds = np.append(thresholds, np.nextafter(thresholds[-1], np.inf))
    passing = np.stack([len(row) - np.searchsorted(row, thresholds) for row in others]).astype(np.float64)
    compared = everybody @ np.array([len(row) for row in others], np.float64)
    false_match = everybody @ passing / compared[:, np.newaxis]
    lost = (own[:, np.newaxis] < thresholds).astype(np.float64)
    false_non_match = asked @ lost / asked.sum(axis=1, keepdims=True)
    crossing = np.argmin(np.abs(false_match - false_non_match), axis=1)[:, np.newaxis]
    both = [np.take_along_axis(rates, crossing, axis=1)[:, 0] for rates in (false_match, false_non_match)]
    return np.asarray((both[0] + both[1]) / 2)


def open_set(scores: Scores, fpir: float, seed: int = 0) -> Interval | None:
    """FNIR at a FPIR: a query is found only where its subject ranks first and scores over the threshold.

    The threshold is the lowest that at most the share `fpir` of the impostors passes; the interval draws impostors anew
    too, because the threshold is theirs. None without impostors.
    """
    if not len(scores.impostors):
        return None
    asked, strangers = scores.draws(seed)
    thresholds = _stranger_thresholds(scores.impostor_tops, strangers.weights, fpir)
    found = (scores.ranks == 1) & (scores.own > thresholds[:, np.newaxis])
    return to_interval(1 - (asked.weights * found).sum(axis=1) / asked.weights.sum(axis=1))


def _stranger_thresholds(tops: Array, weights: Array, fpir: float) -> Array:
    """The strangers' best score that is not to be passed, in every draw: the first beyond the share that may pass."""
    order = np.argsort(-tops)
    passing = np.cumsum(weights[:, order], axis=1)
    allowed = np.floor(fpir * passing[:, -1:] + 1e-9)
    return np.asarray(tops[order][np.argmax(passing > allowed, axis=1)])
