"""95 % intervals: by bootstrap over subjects, and Wilson's for a single share.

All draws of a bootstrap are made at once, as weights of the probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

Array = NDArray[np.float64]
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Draws:
    """Draws of subjects with replacement. The weight of a probe is how often its subject was drawn.

    `weights` is float (1 + BOOTSTRAPS, probes). Row 0 is the sample itself. So a figure that is computed for all rows
    holds the measured value first and the values of the draws after it.
    """

    def __init__(self, subjects: Sequence[str], seed: int) -> None:
        known, owner = np.unique(np.array(subjects, str), return_inverse=True)
        count = len(known)
        drawn = np.zeros((BOOTSTRAPS, 0), int)
        if count:
            drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), BOOTSTRAPS)
        self.weights: Array = np.vstack([np.ones(len(subjects)), drawn[:, owner.astype(int)]]).astype(np.float64)

    def mean(self, values: ArrayLike) -> Interval:
        """Return the mean of one value per probe."""
        return to_interval(self.means(values))

    def means(self, values: ArrayLike) -> Array:
        """Return the mean of one value per probe in every draw, float (1 + BOOTSTRAPS,)."""
        return np.asarray(self.weights @ np.asarray(values, np.float64) / self.weights.sum(axis=1))


def joined(*draws: Draws) -> Array:
    """Return the weights of groups of probes that are drawn independently, side by side."""
    return np.concatenate([one.weights for one in draws], axis=1)


def to_interval(figures: Array) -> Interval:
    """Return the interval of a figure and its draws, float (1 + BOOTSTRAPS,). Draws that are NaN do not count."""
    low, high = np.nanquantile(figures[1:], [0.025, 0.975])
    return Interval(float(figures[0]), float(low), float(high))


def share_interval(hits: int, count: int, method: str = "wilson") -> Interval:
    """Return the share of `hits` in `count` with its interval by a method of `scipy.stats.binomtest`."""
    interval = binomtest(hits, count).proportion_ci(method=method)
    return Interval(hits / count, float(interval.low), float(interval.high))
