"""Find and fill what is drawn on an image: text, rulers, arrows, side markers, viewer frames.

What several images of one viewer, department or camera share is no anatomy, and must not identify a patient.
"""

from __future__ import annotations

import threading
from importlib import resources
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image, square_view

SIDE: Final = 256
"""Side, in pixels, of the copy in which marks are searched."""
BLUR: Final = 0.5
"""Standard deviation, in pixels of that copy, of the blur before the search. The network has learned from enlarged
images, and takes the edges of sharper ones for marks: without the blur, it masks up to ten times as much anatomy."""
THRESHOLD: Final = 0.35
"""Probability from which a cell is taken for a mark."""
KNOWN: Final = 1e-3
"""Least share of unmarked pixels from which a coarse pixel has a colour."""

_own = threading.local()
"""The network of each thread: OpenCV's networks keep their state between input and output."""


def graphics_mask(image: Image) -> NDArray[np.bool_]:
    """Return bool (h, w) for uint8 (h, w, 3) RGB: the pixels that are drawn, and those right beside them."""
    network = _network()
    network.setInput(cv2.dnn.blobFromImage(cv2.GaussianBlur(square_view(image, SIDE), (0, 0), BLUR)))
    cells = network.forward()[0, 0]
    return np.asarray(cv2.resize(cells, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) > THRESHOLD)


def remove_graphics(image: Image) -> Image:
    """Return uint8 (h, w, 3) with marks filled; the image itself if it has none."""
    mask = graphics_mask(image)
    return fill_marks(image, mask) if mask.any() else image


def fill_marks(image: Image, mask: NDArray[np.bool_]) -> Image:
    """Return a copy of uint8 (h, w, 3) in which masked pixels have the smooth colour of their surroundings.

    Colours spread from coarse to fine through a pyramid (pull-push; Gortler et al., The Lumigraph, SIGGRAPH 1996), so
    the filled areas have no edge in which a keypoint could be found.
    """
    known = 1.0 - mask.astype(np.float32)
    levels = [(image.astype(np.float32) * known[..., np.newaxis], known)]
    while min(levels[-1][1].shape) > 1 and float(levels[-1][1].min()) < KNOWN:
        colours, weights = levels[-1]
        levels.append((_half(colours), _half(weights)))
    colours, weights = levels.pop()
    filled = colours / np.maximum(weights, KNOWN)[..., np.newaxis]
    for colours, weights in reversed(levels):
        wider = cv2.pyrUp(filled, dstsize=weights.shape[::-1])
        filled = colours + wider * (1.0 - weights)[..., np.newaxis]
    result = image.copy()
    result[mask] = np.clip(np.round(filled[mask]), 0, 255).astype(np.uint8)
    return result


def _half(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.pyrDown(pixels), np.float32)


def _network() -> cv2.dnn.Net:
    if not hasattr(_own, "network"):
        data = resources.files("shared.images").joinpath("graphics.tflite").read_bytes()
        _own.network = cv2.dnn.readNetFromTFLite(np.frombuffer(data, np.uint8))
    network: cv2.dnn.Net = _own.network
    return network
