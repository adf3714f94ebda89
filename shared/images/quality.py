"""How much an image can tell: a cheap figure for the person who enrols it, not a diagnosis."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image, standard_view

_FULL_CONTRAST: Final = 40.0
"""Standard deviation of grey levels from which contrast counts as full; a uniform histogram has 74."""
_FULL_SHARPNESS: Final = 200.0
"""Variance of the Laplacian at which sharpness is one half; below about 100 photographs look out of focus."""
_FLAT_RANGE: Final = 2
"""Range of grey levels in a 3 x 3 neighbourhood up to which it counts as flat."""
_SATURATED: Final = (2, 253)
"""Grey levels up to which, and from which, a pixel counts as black or white."""


def quality(image: Image) -> float:
    """0 (blank) to 1 (good) for uint8 (h, w, 3) RGB, measured on the grey standard view.

    The geometric mean of three figures, so that any of them alone can refuse an image:

    - contrast: standard deviation of grey, 1 from 40 levels on;
    - sharpness: v / (v + 200), v the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000);
    - content: the share of pixels that are neither saturated nor in a flat neighbourhood (background, glare, border),
      1 from a half on, because a dark background is normal.
    """
    grey = cv2.cvtColor(standard_view(image), cv2.COLOR_RGB2GRAY)
    contrast = min(1.0, float(grey.std()) / _FULL_CONTRAST)
    detail = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    sharpness = detail / (detail + _FULL_SHARPNESS)
    return float(np.cbrt(contrast * sharpness * _content(np.asarray(grey, dtype=np.uint8))))


def _content(grey: NDArray[np.uint8]) -> float:
    neighbourhood = np.ones((3, 3), dtype=np.uint8)
    flat = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, neighbourhood) <= _FLAT_RANGE
    saturated = (grey <= _SATURATED[0]) | (grey >= _SATURATED[1])
    return min(1.0, 2 * (1 - float((flat | saturated).mean())))
