"""Map pixel values of any bit depth to 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image

Intensities = NDArray[np.floating[Any]]
"""float array, 0 (black) to 1 (white)."""
IntensityMap = Callable[[NDArray[Any]], Intensities]
"""Maps values of any depth to intensities, element by element; the shape stays."""

PERCENTILES: Final = (0.5, 99.5)
"""Percentiles that become black and white. A few dead or saturated pixels must not set the range."""
_SAMPLE: Final = 4_000_000
_BLOCK: Final = 1_000_000


def subsample(values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Return values (n,) of (h, w) that are finite and `valid` (default: all); of many, an even part."""
    if valid is None and values.dtype.kind in "iu":
        values = values.reshape(-1)
    else:
        values = values[np.isfinite(values) if valid is None else valid & np.isfinite(values)]
    return values[:: 1 + values.size // _SAMPLE].copy()


def percentile_stretch(values: NDArray[Any]) -> IntensityMap:
    """Map the 0.5th percentile of the finite values (n,) to black and the 99.5th to white, linearly.

    If both percentiles are equal, minimum and maximum are used. If those are equal too, the image becomes black.
    """
    values = values[np.isfinite(values)]
    if values.size == 0:
        return _black
    low, high = (float(level) for level in np.percentile(values, PERCENTILES))
    if low == high:
        low, high = float(values.min()), float(values.max())
    if low == high:
        return _black

    def mapping(values: NDArray[Any]) -> Intensities:
        exact = np.result_type(values.dtype, np.float32)
        return np.asarray(np.clip((values.astype(exact) - low) / (high - low), 0, 1))

    return mapping


def invert(mapping: IntensityMap) -> IntensityMap:
    """Return the mapping with black and white exchanged."""
    return lambda values: 1 - mapping(values)


def _black(values: NDArray[Any]) -> Intensities:
    return np.zeros(values.shape, dtype=np.float32)


def to_uint8(values: NDArray[Any], mapping: IntensityMap) -> NDArray[np.uint8]:
    """Return uint8 of the same shape for values (h, w) or (h, w, 3), rounded; NaN becomes black.

    Works on a few rows at a time: intensities take up to eight times the memory of the result.
    """
    result = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, _BLOCK // max(1, values[0].size))
    for first in range(0, len(values), rows):
        block = slice(first, first + rows)
        result[block] = np.rint(np.nan_to_num(mapping(values[block])) * 255)
    return result


def grey_to_rgb(grey: NDArray[np.uint8]) -> Image:
    """Return grey uint8 (h, w) as uint8 (h, w, 3)."""
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)
