"""Tones of grey: from any depth to 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image

Intensities = NDArray[np.floating[Any]]
"""float, 0 black to 1 white."""
IntensityMap = Callable[[NDArray[Any]], Intensities]
"""The tones of values of any depth, each by itself; values and tones have the same shape."""

PERCENTILES: Final = (0.5, 99.5)
"""What a stretch maps to black and white: a few dead or burnt-in pixels must not decide about all the others."""
_SAMPLE: Final = 4_000_000
_BLOCK: Final = 1_000_000


def subsample(values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Those of the values (h, w) that are finite and `valid` (all by default), (n,): each, or evenly a part of many."""
    if valid is None and values.dtype.kind in "iu":
        counted = values.reshape(-1)
    else:
        counted = values[np.isfinite(values) if valid is None else valid & np.isfinite(values)]
    return counted[:: 1 + counted.size // _SAMPLE].copy()


def percentile_stretch(counted: NDArray[Any]) -> IntensityMap:
    """The 0.5th percentile of the finite values that count, (n,), becomes black, the 99.5th white, linearly between.

    Where the percentiles coincide, the extremes take their place, and where those do too, the image is flat and becomes
    black.
    """
    counted = counted[np.isfinite(counted)]
    if counted.size == 0:
        return _black
    low, high = (float(level) for level in np.percentile(counted, PERCENTILES))
    if low == high:
        low, high = float(counted.min()), float(counted.max())
    if low == high:
        return _black

    def tone(values: NDArray[Any]) -> Intensities:
        exact = np.result_type(values.dtype, np.float32)
        return np.asarray(np.clip((values.astype(exact) - low) / (high - low), 0, 1))

    return tone


def invert(tone: IntensityMap) -> IntensityMap:
    """Low values are white."""
    return lambda values: 1 - tone(values)


def _black(values: NDArray[Any]) -> Intensities:
    return np.zeros(values.shape, dtype=np.float32)


def to_uint8(values: NDArray[Any], tone: IntensityMap) -> NDArray[np.uint8]:
    """uint8 of values (h, w) or (h, w, 3), 0 to 255, rounded; a tone that is NaN becomes black.

    A few rows at a time, because tones take up to eight times as much memory as what becomes of them.
    """
    result = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, _BLOCK // max(1, values[0].size))
    for first in range(0, len(values), rows):
        block = slice(first, first + rows)
        result[block] = np.rint(np.nan_to_num(tone(values[block])) * 255)
    return result


def grey_to_rgb(grey: NDArray[np.uint8]) -> Image:
    """uint8 (h, w) as uint8 (h, w, 3)."""
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)
