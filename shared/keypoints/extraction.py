"""Keypoints of a view: SIFT where it looks, RootSIFT as it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image

MAX_KEYPOINTS = 300
"""Keypoints kept of a picture: with a descriptor of 128 bytes each, what fits into 40 kB."""
MAX_DETECTED = 600
"""Strongest responses from which they are taken; an upright picture has several at one place."""
CONTRAST = 0.01
"""SIFT's contrast threshold: a quarter of OpenCV's, since retina and skin are soft."""
MARGIN = 16
"""Pixels of the black around the anatomy that are looked at, too."""
GRID = 16
"""Black is cut off in steps of so many pixels, so that coarse layers of the pyramid look at the same places."""
UNIT = 512.0
"""Length of a stored descriptor. Entries over half of it, which do not occur on real pictures, are cut at 255."""

Described = tuple[Sequence[cv2.KeyPoint], NDArray[np.float32]]
"""Keypoints, strongest first, and their descriptors as SIFT gives them, float32 (n, 128)."""
NOTHING: Described = ([], np.empty((0, 128), np.float32))


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of one view, strongest first.

    `positions` is float32 (n, 2), x and y in pixels of the view; `descriptors` uint8 (n, 128). `upright` says whether
    the descriptors keep the picture's own up and down: the two kinds cannot be compared.
    """

    positions: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    upright: bool

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """The descriptors at unit length, float32 (n, 128)."""
        return self.descriptors.astype(np.float32) / UNIT


def extract_keypoints(view: Image, *, upright: bool, size: int | None = None) -> Keypoints:
    """At most `MOST` keypoints of an uint8 (h, w, 3) RGB view; none of a blank one.

    `upright` is for pictures that are always taken the same way up: descriptors that need not be indifferent to
    rotation tell more apart. With `size` they are looked for in a view that is no higher than so many pixels; positions
    are those of the whole one.
    """
    scale, looked_at = _reduced(np.asarray(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), np.uint8), size)
    left, top, grey = _without_black(looked_at)
    kept, descriptors = _found_upright(grey) if upright else _found(grey)
    places = np.array([point.pt for point in kept], np.float32).reshape(-1, 2) + np.array([left, top], np.float32)
    positions = np.asarray(places * scale + (scale - 1.0) / 2.0, np.float32)  # pixels are counted from their middles
    return Keypoints(positions, _rooted(descriptors), upright)


def _found(grey: NDArray[np.uint8]) -> Described:
    """In one call, which builds the pyramid once."""
    points, descriptors = cv2.SIFT.create(nfeatures=MAX_KEYPOINTS, contrastThreshold=CONTRAST).detectAndCompute(
        grey, None
    )
    if not points:
        return NOTHING
    order = sorted(range(len(points)), key=lambda i: -points[i].response)[
        :MAX_KEYPOINTS
    ]  # equally strong ones may be more
    return [points[i] for i in order], np.asarray(descriptors, np.float32)[order]


def _found_upright(grey: NDArray[np.uint8]) -> Described:
    """Described at another angle than found, so in two calls."""
    sift = cv2.SIFT.create(nfeatures=MAX_DETECTED, contrastThreshold=CONTRAST)
    kept = _one_per_place(sorted(sift.detect(grey), key=lambda point: -point.response))[:MAX_KEYPOINTS]
    if not kept:
        return NOTHING
    described, descriptors = sift.compute(grey, kept)
    return described, np.asarray(descriptors, np.float32)


def _reduced(grey: NDArray[np.uint8], size: int | None) -> tuple[float, NDArray[np.uint8]]:
    """How many pixels of uint8 (h, w) are one of the other, which is it at a height of `size` where it is higher."""
    height, width = grey.shape
    if size is None or height <= size:
        return 1.0, grey
    scale = height / size
    smaller = cv2.resize(grey, (round(width / scale), size), interpolation=cv2.INTER_AREA)
    return scale, np.asarray(smaller, np.uint8)


def _without_black(grey: NDArray[np.uint8]) -> tuple[int, int, NDArray[np.uint8]]:
    """Left, top and pixels of the part of uint8 (h, w) that is not all black: a brain fills half of its view."""
    x, y, width, height = cv2.boundingRect(grey)  # (0, 0, 0, 0) where all is black
    left, top = (max(start - MARGIN, 0) // GRID * GRID for start in (x, y))
    return left, top, np.ascontiguousarray(grey[top : y + height + MARGIN, left : x + width + MARGIN])


def _one_per_place(found: Sequence[cv2.KeyPoint]) -> list[cv2.KeyPoint]:
    """The first at each place and scale, turned upright."""
    places: dict[tuple[float, ...], cv2.KeyPoint] = {}
    for point in found:
        place = (point.pt[0], point.pt[1], point.size)
        places.setdefault(place, cv2.KeyPoint(*place, 0.0, point.response, point.octave))
    return list(places.values())


def _rooted(descriptors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """RootSIFT (Arandjelović & Zisserman, CVPR 2012): its dot product is the Hellinger kernel of the histograms."""
    shares = descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(np.minimum(np.round(UNIT * np.sqrt(shares)), 255), np.uint8)
