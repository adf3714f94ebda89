"""Where the anatomy ends: the air around a head, the rim of a fundus camera, letters burned into a radiograph.

What lies beyond tells cameras, scanners and sessions apart and nothing of the patient. Recipes take it away; the
control `background only` of the evaluation shows nothing else, with stricter settings for what a letter is.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image, square_view

SIDE: Final = 192
"""Pixels a side of the copy in which anatomy and marks are looked for."""
LEAST_LIGHT: Final = 24
"""Grey value that something must reach to be anatomy; the noise of air stays below."""
LARGE: Final = 0.01
"""Share of the picture from which something that is lit may be anatomy."""
BRIGHT, RISE = 0.8, 40
"""Letters that a recipe takes away: the share of the brightest that they reach, and their rise in grey values."""
MARK_SIDE: Final = 0.06
"""Share of a side up to which a bright thing can be a stroke of a letter."""
MARK_AREA: Final = 0.004
"""Largest share of the picture that one letter covers."""
FRAME: Final = 0.12
"""Share of a side, next to the edge, in which burned-in marks stand; inside, bright spots are anatomy."""


def foreground_mask(image: Image, *, dark: float, thin: float = 0.0, margin: float = 0.0) -> NDArray[np.bool_]:
    """bool (h, w) of uint8 (h, w, 3): the convex hull of all large things that are not dark.

    `dark` is the share of the brightest grey value up to which a pixel is air, the rim of a camera or a vignette;
    `thin` the share of a side up to which a bright line is a frame or a couch and not scalp; `margin` the share of a
    side by which the hull is widened. Nothing where the picture is all dark or of one shade.
    """
    grey = cv2.medianBlur(_small_grey(image), 5)
    brightest = float(np.percentile(grey, 99))
    hull = np.zeros(grey.shape, np.uint8)
    if brightest >= LEAST_LIGHT and grey.min() < grey.max():
        lit = np.asarray(grey > dark * brightest, np.uint8)
        _draw_hull(hull, _without_lines(lit, thin) if thin else lit, round(2 * margin * SIDE))
    return np.asarray(cv2.resize(hull, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 127)


def annotation_mask(grey: NDArray[np.uint8], *, bright: float, rise: int) -> NDArray[np.bool_]:
    """bool (h, w) of uint8 (h, w): small things near the edge, such as letters burned in.

    They reach `bright`, and rise by `rise` or more, in grey values, over what is around them.
    """
    raised = cv2.subtract(grey, _without_strokes(grey))
    found = np.asarray((grey >= bright) & (raised >= rise), np.uint8)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(found)
    small = figures[:, cv2.CC_STAT_AREA] <= MARK_AREA * grey.size
    small[0] = False  # what is no mark
    letters = np.asarray(small[labels])
    rows, columns = (round(FRAME * length) for length in grey.shape)
    letters[rows : grey.shape[0] - rows, columns : grey.shape[1] - columns] = False
    return letters


def remove_annotations(image: Image) -> Image:
    """A copy of uint8 (h, w, 3) whose marks have the shade of what surrounds them."""
    grey, size = _small_grey(image), image.shape[1::-1]
    letters = annotation_mask(grey, bright=BRIGHT * float(np.percentile(grey, 99)), rise=RISE)
    wide = cv2.dilate(letters.astype(np.uint8) * 255, np.ones((3, 3), np.uint8))
    where = cv2.resize(wide, size, interpolation=cv2.INTER_LINEAR) > 0
    shade = cv2.resize(_without_strokes(grey), size, interpolation=cv2.INTER_LINEAR)
    clean = image.copy()
    clean[where] = np.minimum(clean[where], shade[where][:, np.newaxis])
    return clean


def _small_grey(image: Image) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(square_view(image, SIDE), cv2.COLOR_RGB2GRAY), np.uint8)


def _without_strokes(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = max(3, round(MARK_SIDE * max(grey.shape)) | 1)
    return np.asarray(cv2.morphologyEx(grey, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)), np.uint8)


def _without_lines(lit: NDArray[np.uint8], thin: float) -> NDArray[np.uint8]:
    side = max(3, round(thin * SIDE) | 1)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    framed = cv2.copyMakeBorder(lit, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,))  # a frame at the edge is thin, too
    return np.array(cv2.morphologyEx(framed, cv2.MORPH_OPEN, brush)[1:-1, 1:-1], np.uint8)


def _draw_hull(canvas: NDArray[np.uint8], lit: NDArray[np.uint8], rim: int) -> None:
    outlines, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    large = [outline for outline in outlines if cv2.contourArea(outline) > LARGE * lit.size]
    if large:
        hull = cv2.convexHull(np.concatenate(large))
        cv2.drawContours(canvas, [hull], -1, (255,), cv2.FILLED)
        if rim:
            cv2.drawContours(canvas, [hull], -1, (255,), rim)
