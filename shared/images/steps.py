"""The named preprocessing steps of recipes.

Each step is a pure function from uint8 (h, w, 3) RGB to uint8 (h, w, 3) RGB of the same size. Parameters are
keyword-only. Their annotations hold the allowed range, which `shared.images.recipes.build_recipe` checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shared.images.foreground import foreground_mask, remove_annotations
from shared.images.views import Image

ClipLimit = Annotated[float, Field(gt=0, le=40)]
"""Contrast limit of CLAHE, in multiples of the mean histogram bin (OpenCV's definition)."""
Tiles = Annotated[int, Field(ge=1, le=64)]
"""Number of tiles of CLAHE along each side."""
Sigma = Annotated[float, Field(gt=0, le=10)]
"""Standard deviation, in pixels of the view."""
EdgeThreshold = Annotated[float, Field(ge=0, le=1020)]
"""Hysteresis threshold on the L1 norm of the Sobel gradient of the grey image."""
Opacity = Annotated[float, Field(ge=0, le=1)]
"""Opacity of an overlay: 0 is invisible, 1 hides the image."""
Share = Annotated[float, Field(ge=0, lt=1)]
"""Share of the side, or of the brightest grey value."""

EDGE_COLOUR: Final = (255, 96, 0)
"""RGB of edges: orange, which is rare in all modalities."""


def only_anatomy(image: Image, *, dark: Share = 0.08, thin: Share = 0.0, marks: bool = False) -> Image:
    """Black out everything outside the anatomy (`shared.images.foreground.foreground_mask`).

    With `marks`, burned-in letters near the edge get the grey of their surroundings.
    """
    clean = remove_annotations(image) if marks else image
    kept = foreground_mask(image, dark=dark, thin=thin).astype(np.uint8)
    return np.asarray(cv2.bitwise_and(clean, clean, mask=kept), np.uint8)


def greyscale(image: Image) -> Image:
    """Put the luma (ITU-R BT.601) into all three channels. A grey image does not change."""
    return _stack(_grey(image))


def histogram_equalisation(image: Image) -> Image:
    """Equalise the histogram of the luma. Colour is lost: the step is for CT, which is grey."""
    return _stack(cv2.equalizeHist(_grey(image)))


def clahe(image: Image, *, clip_limit: ClipLimit = 2.0, tiles: Tiles = 8) -> Image:
    """Apply contrast-limited adaptive histogram equalisation (CLAHE) to the luma. Colour is lost."""
    return _stack(cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(_grey(image)))


def lightness_clahe(image: Image, *, clip_limit: ClipLimit = 2.0, tiles: Tiles = 8) -> Image:
    """Apply CLAHE to L of CIELAB. The colour channels a and b stay."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)


def gaussian_denoising(image: Image, *, sigma: Sigma) -> Image:
    """Blur each channel with a Gaussian. The kernel spans three sigma to each side; the border is mirrored."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def canny_overlay(image: Image, *, low: EdgeThreshold, high: EdgeThreshold, opacity: Opacity) -> Image:
    """Draw Canny edges of the luma over the image in `EDGE_COLOUR`. Raises ValueError if `low` exceeds `high`."""
    if low > high:
        raise ValueError(f"low must not exceed high, but {low} > {high}")
    edges = cv2.Canny(_grey(image), low, high) > 0
    blended = np.round((1 - opacity) * image[edges] + opacity * np.array(EDGE_COLOUR))
    overlaid = image.copy()
    overlaid[edges] = blended.astype(np.uint8)
    return overlaid


STEPS: Final[Mapping[str, Callable[..., Image]]] = MappingProxyType(
    {
        step.__name__: step
        for step in (
            only_anatomy,
            greyscale,
            histogram_equalisation,
            clahe,
            lightness_clahe,
            gaussian_denoising,
            canny_overlay,
        )
    }
)
"""All steps by their name in the registry of modalities."""


def _grey(image: Image) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _stack(grey: NDArray[np.generic]) -> Image:
    return np.repeat(np.asarray(grey, dtype=np.uint8)[..., np.newaxis], 3, axis=-1)
