"""Percentiles, ratios of medians, and slopes, with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

RESAMPLES = 2000


class Estimate(NamedTuple):
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def ratio_of_medians(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """Return the ratio of medians. The interval is by bootstrap over paired rounds: a noisy minute affects both."""
    a, b = np.asarray(above, float), np.asarray(below, float)
    drawn = np.random.default_rng(0).integers(0, len(a), (RESAMPLES, len(a)))
    resampled = np.median(a[drawn], axis=1) / np.median(b[drawn], axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(np.median(a) / np.median(b)), float(low), float(high))


def slope(at: Sequence[float], values: Sequence[float]) -> Estimate:
    """Return the Theil-Sen slope of `values` over `at`. One outlier, such as a garbage collection, does not move it."""
    found = stats.theilslopes(values, at, alpha=0.95)
    return Estimate(float(found.slope), float(found.low_slope), float(found.high_slope))


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and p99 in milliseconds; nan if there are no samples."""
    if not seconds:
        return dict.fromkeys(("p50", "p95", "p99"), float("nan"))
    values = np.percentile(np.asarray(seconds), [50, 95, 99])
    return dict(zip(("p50", "p95", "p99"), (1000 * values).round(3).tolist(), strict=True))
