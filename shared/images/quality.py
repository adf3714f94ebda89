"""How much an image can tell: a cheap figure for the person who enrols it, not a diagnosis."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image, standard_view

_TILES: Final = 8
"""Tiles along each side of the standard view; each is 28 pixels square."""
_FULL_CONTRAST: Final = 12.0
"""Standard deviation of grey in a tile from which its contrast counts as full."""
_HALF_SHARPNESS: Final = 50.0
"""Variance of the Laplacian in a tile at which its sharpness is one half; smooth skin in focus has about that."""
_ROUNDING: Final = 3 * 20 / 12
"""Three times the variance that rounding to 8 bits gives the Laplacian: 1/12 of the sum of its squared weights."""


def measure_quality(image: Image) -> float:
    """0 (blank) to 1 (good) for uint8 (h, w, 3) RGB, measured on the grey standard view.

    The mean over the better half of 8 x 8 tiles, for a dark background is normal, of the geometric mean of

    - contrast: standard deviation of grey, 1 from 12 levels on;
    - sharpness: v / (v + 50), v the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) less what
      rounding to 8 bits may make of it.

    Tiles that are flat or saturated (background, glare, border) have neither and count as 0.
    """
    grey = cv2.cvtColor(standard_view(image), cv2.COLOR_RGB2GRAY).astype(np.float64)
    contrast = np.minimum(1.0, np.sqrt(_variance_by_tile(grey)) / _FULL_CONTRAST)
    detail = np.maximum(0, _variance_by_tile(cv2.Laplacian(grey, cv2.CV_64F)) - _ROUNDING)
    tiles = np.sort(np.sqrt(contrast * detail / (detail + _HALF_SHARPNESS)), axis=None)
    return float(tiles[tiles.size // 2 :].mean())


def _variance_by_tile(values: NDArray[Any]) -> NDArray[np.float64]:
    """float64 (8, 8): the variance inside each tile of values (h, w), h and w multiples of 8."""
    height, width = values.shape
    tiles = values.reshape(_TILES, height // _TILES, _TILES, width // _TILES)
    return np.asarray(tiles.var(axis=(1, 3)), dtype=np.float64)
