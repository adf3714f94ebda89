"""The quality of an image: a quick figure for the person who enrols it, not a diagnosis."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image, standard_view

_TILES: Final = 8
"""Tiles along each side of the standard view; each is 28 pixels square."""
_FULL_CONTRAST: Final = 12.0
"""Standard deviation of grey, in a tile, that counts as full contrast."""
_HALF_SHARPNESS: Final = 50.0
"""Variance of the Laplacian, in a tile, at which sharpness is 0.5; about that of smooth skin in focus."""
_ROUNDING: Final = 3 * 20 / 12
"""Three times the variance that rounding to 8 bits adds to the Laplacian: 1/12 of the sum of its squared weights."""


def measure_quality(image: Image) -> float:
    """Return 0 (blank) to 1 (good) for uint8 (h, w, 3) RGB, measured on the grey standard view.

    The view has 8 x 8 tiles. Each tile gets the geometric mean of

    - contrast: the standard deviation of grey, 1 from 12 levels on;
    - sharpness: v / (v + 50), with v the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) minus the part
      that rounding to 8 bits may cause.

    Flat or saturated tiles get 0. The result is the mean of the better half, because a dark background is normal.
    """
    grey = cv2.cvtColor(standard_view(image), cv2.COLOR_RGB2GRAY).astype(np.float64)
    contrast = np.minimum(1.0, np.sqrt(_variance_by_tile(grey)) / _FULL_CONTRAST)
    detail = np.maximum(0, _variance_by_tile(cv2.Laplacian(grey, cv2.CV_64F)) - _ROUNDING)
    tiles = np.sort(np.sqrt(contrast * detail / (detail + _HALF_SHARPNESS)), axis=None)
    return float(tiles[tiles.size // 2 :].mean())


def _variance_by_tile(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return float64 (8, 8): the variance inside each tile of values (h, w), h and w multiples of 8."""
    height, width = values.shape
    tiles = values.reshape(_TILES, height // _TILES, _TILES, width // _TILES)
    return np.asarray(tiles.var(axis=(1, 3)), dtype=np.float64)
