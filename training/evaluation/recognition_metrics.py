"""Figures of the protocol, from one score per probe and enrolled subject: float (queries + impostors, subjects).

A score may be a cosine, a number of inliers or a log likelihood ratio. Larger means nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Array, Draws, Interval, joined, to_interval

THRESHOLDS = 1000
"""Quantiles of the impostor scores that serve as thresholds, besides every genuine score."""


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
        """Score of each query against its own subject."""
        return self.queries[np.arange(len(self.truth)), self.truth]

    @cached_property
    def ranks(self) -> NDArray[np.intp]:
        """Rank of each query's own subject, from 1. Ties count against it."""
        return np.asarray((self.queries >= self.own[:, np.newaxis]).sum(axis=1))

    @property
    def impostor_tops(self) -> Array:
        """Best score of each impostor."""
        return self.impostors.max(axis=1) if len(self.impostors) else np.empty(0)

    @property
    def others(self) -> list[Array]:
        """Sorted scores against all other subjects, per probe, queries first."""
        rows = [np.delete(row, truth) for row, truth in zip(self.queries, self.truth, strict=True)]
        return [np.sort(row) for row in (*rows, *self.impostors)]

    def draws(self, seed: int) -> tuple[Draws, Draws]:
        """Draw the subjects of the queries, and those of the impostors."""
        return Draws(self.query_subjects, seed), Draws(self.impostor_subjects, seed + 1)


def identification(scores: Scores, seed: int = 0) -> dict[str, Interval]:
    """Return rank-1, rank-3 and mean average precision (1 / rank, because one subject is relevant)."""
    ranks, (drawn, _) = scores.ranks, scores.draws(seed)
    return {"rank1": drawn.mean(ranks == 1), "rank3": drawn.mean(ranks <= 3), "map": drawn.mean(1 / ranks)}


def cumulative_match(scores: Scores, depth: int = 20) -> Array:
    """Return the CMC: the share of queries whose subject is among the first k, for k = 1..depth."""
    return np.array([np.mean(scores.ranks <= k) for k in range(1, min(depth, scores.queries.shape[1]) + 1)])


def pairs(scores: Scores) -> tuple[Array, Array]:
    """Return the scores of all genuine and all impostor comparisons."""
    return scores.own, np.concatenate(scores.others)


def verification(scores: Scores, seed: int = 0) -> dict[str, Interval] | None:
    """Return ROC AUC and EER of genuine against impostor comparisons; None without impostor comparisons."""
    others, (queries, impostors) = scores.others, scores.draws(seed)
    if not sum(map(len, others)):
        return None
    probes = joined(queries, impostors)
    return {
        "auc": to_interval(_area_under_roc(scores.own, others, queries.weights, probes)),
        "eer": to_interval(_equal_error_rate(scores.own, others, queries.weights, probes)),
    }


def _area_under_roc(own: Array, others: Sequence[Array], queries: Array, probes: Array) -> Array:
    """Return in every draw how often a genuine comparison beats an impostor's; ties count half (Mann-Whitney)."""
    below = [np.searchsorted(row, own, "left") + np.searchsorted(row, own, "right") for row in others]
    wins = np.stack(below, axis=1) / 2  # (queries, probes)
    compared = probes @ np.array([len(row) for row in others], np.float64)
    return np.asarray(((queries @ wins) * probes).sum(axis=1) / (queries.sum(axis=1) * compared))


def _equal_error_rate(own: Array, others: Sequence[Array], queries: Array, probes: Array) -> Array:
    """Return in every draw the mean of FMR and FNMR at the threshold where they are nearest to each other."""
    impostor = np.concatenate(others)
    thresholds = np.unique(np.concatenate([own, np.quantile(impostor, np.linspace(0, 1, THRESHOLDS))]))
    thresholds = np.append(thresholds, np.nextafter(thresholds[-1], np.inf))
    passing = np.stack([len(row) - np.searchsorted(row, thresholds) for row in others]).astype(np.float64)
    compared = probes @ np.array([len(row) for row in others], np.float64)
    false_match = probes @ passing / compared[:, np.newaxis]
    lost = (own[:, np.newaxis] < thresholds).astype(np.float64)
    false_non_match = queries @ lost / queries.sum(axis=1, keepdims=True)
    crossing = np.argmin(np.abs(false_match - false_non_match), axis=1)[:, np.newaxis]
    both = [np.take_along_axis(rates, crossing, axis=1)[:, 0] for rates in (false_match, false_non_match)]
    return np.asarray((both[0] + both[1]) / 2)


def open_set(scores: Scores, fpir: float, seed: int = 0) -> Interval | None:
    """Return FNIR at a FPIR; None without impostors.

    A query is found if its subject ranks first and scores over the threshold. At most the share `fpir` of the impostors
    passes the threshold. The interval draws the impostors anew as well, because the threshold depends on them.
    """
    if not len(scores.impostors):
        return None
    queries, impostors = scores.draws(seed)
    thresholds = _impostor_thresholds(scores.impostor_tops, impostors.weights, fpir)
    found = (scores.ranks == 1) & (scores.own > thresholds[:, np.newaxis])
    return to_interval(1 - (queries.weights * found).sum(axis=1) / queries.weights.sum(axis=1))


def _impostor_thresholds(tops: Array, weights: Array, fpir: float) -> Array:
    """Return in every draw the highest score of an impostor who must not pass."""
    order = np.argsort(-tops)
    passing = np.cumsum(weights[:, order], axis=1)
    allowed = np.floor(fpir * passing[:, -1:] + 1e-9)
    return np.asarray(tops[order][np.argmax(passing > allowed, axis=1)])
