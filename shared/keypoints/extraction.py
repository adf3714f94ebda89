"""Extract keypoints of a view: SIFT detector, RootSIFT descriptors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image

MAX_KEYPOINTS = 300
"""Keypoints stored per picture. With 128 bytes per descriptor they fit into 40 kB."""
MAX_DETECTED = 600
"""Strongest responses from which they are chosen. Upright pictures have several at one place."""
CONTRAST = 0.01
"""SIFT's contrast threshold: a quarter of OpenCV's default, because retina and skin have low contrast."""
MARGIN = 16
"""Width, in pixels, of the black border around the anatomy that is searched too."""
GRID = 16
"""Black is cropped in steps of this many pixels, so that coarse pyramid layers sample the same places."""
UNIT = 512.0
"""Length of a stored descriptor. Entries are clipped at 255; real pictures do not reach that."""

Described = tuple[Sequence[cv2.KeyPoint], NDArray[np.float32]]
"""Keypoints, strongest first, and their SIFT descriptors, float32 (n, 128)."""
NOTHING: Described = ([], np.empty((0, 128), np.float32))


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of one view, strongest first.

    `positions` is float32 (n, 2): x and y, in pixels of the view. `descriptors` is uint8 (n, 128). `upright`
    descriptors are not rotated to the keypoint's orientation; they cannot be matched with rotated ones.
    """

    positions: NDArray[np.float32]
    descriptors: NDArray[np.uint8]
    upright: bool

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """Descriptors scaled to about unit length, float32 (n, 128)."""
        return self.descriptors.astype(np.float32) / UNIT


def extract_keypoints(view: Image, *, upright: bool, size: int | None = None) -> Keypoints:
    """Return at most `MAX_KEYPOINTS` keypoints of uint8 (h, w, 3) RGB; none of a blank view.

    Use `upright` if pictures are always taken the same way up: descriptors without rotation are more distinctive.
    `size` limits the height, in pixels, of the image that is searched; positions refer to the whole view.
    """
    scale, looked_at = _reduce(np.asarray(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), np.uint8), size)
    left, top, grey = _crop_black(looked_at)
    kept, descriptors = _detect_upright(grey) if upright else _detect(grey)
    places = np.array([point.pt for point in kept], np.float32).reshape(-1, 2) + np.array([left, top], np.float32)
    positions = np.asarray(places * scale + (scale - 1.0) / 2.0, np.float32)  # OpenCV counts from pixel centres
    return Keypoints(positions, _root_sift(descriptors), upright)


def _detect(grey: NDArray[np.uint8]) -> Described:
    """Detect and describe in one call, which builds the pyramid once."""
    points, descriptors = cv2.SIFT.create(nfeatures=MAX_KEYPOINTS, contrastThreshold=CONTRAST).detectAndCompute(
        grey, None
    )
    if not points:
        return NOTHING
    order = sorted(range(len(points)), key=lambda i: -points[i].response)[
        :MAX_KEYPOINTS
    ]  # equal responses may exceed nfeatures
    return [points[i] for i in order], np.asarray(descriptors, np.float32)[order]


def _detect_upright(grey: NDArray[np.uint8]) -> Described:
    """Detect and describe in two calls, because the orientation is set to 0 between them."""
    sift = cv2.SIFT.create(nfeatures=MAX_DETECTED, contrastThreshold=CONTRAST)
    kept = _one_per_place(sorted(sift.detect(grey), key=lambda point: -point.response))[:MAX_KEYPOINTS]
    if not kept:
        return NOTHING
    described, descriptors = sift.compute(grey, kept)
    return described, np.asarray(descriptors, np.float32)


def _reduce(grey: NDArray[np.uint8], size: int | None) -> tuple[float, NDArray[np.uint8]]:
    """Return the scale factor, and uint8 (h, w) reduced to a height of `size` if it is higher."""
    height, width = grey.shape
    if size is None or height <= size:
        return 1.0, grey
    scale = height / size
    smaller = cv2.resize(grey, (round(width / scale), size), interpolation=cv2.INTER_AREA)
    return scale, np.asarray(smaller, np.uint8)


def _crop_black(grey: NDArray[np.uint8]) -> tuple[int, int, NDArray[np.uint8]]:
    """Return left, top and pixels of uint8 (h, w) without its black border; a brain fills half of its view."""
    x, y, width, height = cv2.boundingRect(grey)  # (0, 0, 0, 0) if all is black
    left, top = (max(start - MARGIN, 0) // GRID * GRID for start in (x, y))
    return left, top, np.ascontiguousarray(grey[top : y + height + MARGIN, left : x + width + MARGIN])


def _one_per_place(found: Sequence[cv2.KeyPoint]) -> list[cv2.KeyPoint]:
    """Keep the first keypoint at each place and scale, and set its orientation to 0."""
    places: dict[tuple[float, ...], cv2.KeyPoint] = {}
    for point in found:
        place = (point.pt[0], point.pt[1], point.size)
        places.setdefault(place, cv2.KeyPoint(*place, 0.0, point.response, point.octave))
    return list(places.values())


def _root_sift(descriptors: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return RootSIFT descriptors: their dot product is the Hellinger kernel (Arandjelović & Zisserman, CVPR 2012)."""
    shares = descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(np.minimum(np.round(UNIT * np.sqrt(shares)), 255), np.uint8)
