"""Tones of grey: from any depth to 8 bits."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image

Tones = NDArray[np.floating[Any]]
"""float (h, w), 0 black to 1 white."""

PERCENTILES: Final = (0.5, 99.5)
"""What a stretch maps to black and white: a few dead or burnt-in pixels must not decide about all the others."""
_SAMPLE: Final = 4_000_000


def stretch(values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Tones:
    """Values of any depth, (h, w), to tones: the 0.5th percentile becomes black, the 99.5th white, linearly between.

    Only finite values that are `valid` (all by default) are counted. Where the percentiles coincide, the extremes take
    their place, and where those do too, the image is flat and becomes black.
    """
    counted = np.isfinite(values) if valid is None else valid & np.isfinite(values)
    sample = values[counted]
    sample = sample[:: 1 + sample.size // _SAMPLE]
    if sample.size == 0:
        return np.zeros(values.shape, dtype=np.float32)
    low, high = (float(level) for level in np.percentile(sample, PERCENTILES))
    if low == high:
        low, high = float(sample.min()), float(sample.max())
    if low == high:
        return np.zeros(values.shape, dtype=np.float32)
    exact = np.result_type(values.dtype, np.float32)
    return np.asarray(np.clip((values.astype(exact) - low) / (high - low), 0, 1))


def to_8_bit(tones: Tones) -> NDArray[np.uint8]:
    """Tones 0 to 1 as uint8 0 to 255, rounded; NaN becomes black."""
    return np.asarray(np.rint(np.nan_to_num(tones) * 255), dtype=np.uint8)


def grey_to_rgb(grey: NDArray[np.uint8]) -> Image:
    """uint8 (h, w) as uint8 (h, w, 3)."""
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)
