"""Separate the patient's anatomy from air, camera rims and burned-in annotations.

The background identifies cameras, scanners and sessions, not patients, so recipes remove it. The control
`background only` of the evaluation shows nothing else; it defines annotations more strictly.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image, square_view

SIDE: Final = 192
"""Side, in pixels, of the reduced copy in which anatomy and annotations are detected."""
MIN_BRIGHTNESS: Final = 24
"""Grey value that anatomy must reach. The noise of air stays below."""
MIN_AREA: Final = 0.01
"""Smallest share of the picture that a bright region needs to be anatomy."""
BRIGHT, RISE = 0.8, 40
"""Annotations that a recipe removes: least share of the brightest grey, and least contrast in grey values."""
STROKE_WIDTH: Final = 0.06
"""Largest width of a letter's stroke, as a share of the side."""
MAX_LETTER_AREA: Final = 0.004
"""Largest area of one letter, as a share of the picture."""
EDGE_WIDTH: Final = 0.12
"""Width of the border, as a share of the side, that may hold annotations. Bright spots further inside are anatomy."""


def foreground_mask(image: Image, *, dark: float, thin: float = 0.0, margin: float = 0.0) -> NDArray[np.bool_]:
    """Return bool (h, w) for uint8 (h, w, 3) RGB: the convex hull of all large regions that are not dark.

    `dark`: grey up to this share of the brightest grey is background. `thin`: bright lines up to this share of the
    side are background too (a frame, a couch). `margin`: the hull grows by this share of the side. The mask is empty
    if the picture is dark or of one shade.
    """
    grey = cv2.medianBlur(_small_grey(image), 5)
    brightest = float(np.percentile(grey, 99))
    hull = np.zeros(grey.shape, np.uint8)
    if brightest >= MIN_BRIGHTNESS and grey.min() < grey.max():
        lit = np.asarray(grey > dark * brightest, np.uint8)
        _draw_hull(hull, _without_lines(lit, thin) if thin else lit, round(2 * margin * SIDE))
    return np.asarray(cv2.resize(hull, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 127)


def annotation_mask(grey: NDArray[np.uint8], *, bright: float, rise: int) -> NDArray[np.bool_]:
    """Return bool (h, w) for grey uint8 (h, w): small bright spots near the edge, such as burned-in letters.

    Their grey is at least `bright`, and at least `rise` above their surroundings, both in grey values (0-255).
    """
    raised = cv2.subtract(grey, _without_strokes(grey))
    found = np.asarray((grey >= bright) & (raised >= rise), np.uint8)
    _, labels, figures, _ = cv2.connectedComponentsWithStats(found)
    small = figures[:, cv2.CC_STAT_AREA] <= MAX_LETTER_AREA * grey.size
    small[0] = False  # label 0 is the background
    letters = np.asarray(small[labels])
    rows, columns = (round(EDGE_WIDTH * length) for length in grey.shape)
    letters[rows : grey.shape[0] - rows, columns : grey.shape[1] - columns] = False
    return letters


def remove_annotations(image: Image) -> Image:
    """Return a copy of uint8 (h, w, 3) RGB in which annotations have the grey of their surroundings."""
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
    side = max(3, round(STROKE_WIDTH * max(grey.shape)) | 1)
    return np.asarray(cv2.morphologyEx(grey, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)), np.uint8)


def _without_lines(lit: NDArray[np.uint8], thin: float) -> NDArray[np.uint8]:
    side = max(3, round(thin * SIDE) | 1)
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    framed = cv2.copyMakeBorder(
        lit, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(0,)
    )  # so that a frame at the edge counts as thin
    return np.array(cv2.morphologyEx(framed, cv2.MORPH_OPEN, brush)[1:-1, 1:-1], np.uint8)


def _draw_hull(canvas: NDArray[np.uint8], lit: NDArray[np.uint8], rim: int) -> None:
    outlines, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    large = [outline for outline in outlines if cv2.contourArea(outline) > MIN_AREA * lit.size]
    if large:
        hull = cv2.convexHull(np.concatenate(large))
        cv2.drawContours(canvas, [hull], -1, (255,), cv2.FILLED)
        if rim:
            cv2.drawContours(canvas, [hull], -1, (255,), rim)
