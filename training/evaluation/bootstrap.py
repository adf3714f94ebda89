"""95 % intervals by bootstrap over subjects: all draws at once, as weights of the probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Draws:
    """Draws of subjects with replacement: a probe weighs as often as its subject was drawn.

    `weights` is float (1 + BOOTSTRAPS, probes). Row 0 is the sample as it is, so whatever is computed for every row at
    once is the figure first and its draws after it.
    """

    def __init__(self, subjects: Sequence[str], seed: int) -> None:
        known, owner = np.unique(np.array(subjects, str), return_inverse=True)
        count = len(known)
        drawn = np.zeros((BOOTSTRAPS, 0), int)
        if count:
            drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), BOOTSTRAPS)
        self.weights: Array = np.vstack([np.ones(len(subjects)), drawn[:, owner.astype(int)]]).astype(np.float64)

    def mean(self, values: ArrayLike) -> Interval:
        """Of one value per probe."""
        return to_interval(self.means(values))

    def means(self, values: ArrayLike) -> Array:
        """Float (1 + BOOTSTRAPS,): the mean of one value per probe in every draw."""
        return np.asarray(self.weights @ np.asarray(values, np.float64) / self.weights.sum(axis=1))


def joined(*draws: Draws) -> Array:
    """The weights of several groups of probes that are drawn independently, side by side."""
    return np.concatenate([one.weights for one in draws], axis=1)


def to_interval(figures: Array) -> Interval:
    """From the figure and its draws, float (1 + BOOTSTRAPS,); draws in which it is not defined are left out."""
    low, high = np.nanquantile(figures[1:], [0.025, 0.975])
    return Interval(float(figures[0]), float(low), float(high))
