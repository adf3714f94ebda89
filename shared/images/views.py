"""Square views of an image, at the sizes that COMPA and the identification networks see.

Geometry: the whole image is squeezed into the square. Nothing is cropped, so that no anatomy is lost, and nothing is
padded, so that no pixel of the network is wasted. An axis that shrinks is averaged over areas (no aliasing), one that
grows is interpolated linearly. The result depends on pixels and size alone: training and serving get the same bytes.

Views stay uint8, 0-255: scaling to the range of the trunk (pixel normalisation) happens inside the exported network.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.models.protocols import NETWORK_SIZE, NetworkInput

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB, 0-255."""
ImageBatch = NDArray[np.uint8]
"""uint8 (n, h, w, 3), RGB, 0-255: n images of one size."""


def square_view(image: Image, size: int) -> Image:
    """uint8 (size, size, 3): the whole uint8 (h, w, 3) image, squeezed; the image itself where it has that size."""
    height, width = image.shape[:2]
    view = image
    if height > size or width > size:
        view = _resize(view, min(height, size), min(width, size), cv2.INTER_AREA)
    if height < size or width < size:
        view = _resize(view, size, size, cv2.INTER_LINEAR)
    return view


def standard_view(image: Image) -> Image:
    """uint8 (224, 224, 3): what COMPA sees of an uint8 (h, w, 3) image, before any recipe."""
    return square_view(image, NETWORK_SIZE)


def network_view(images: ImageBatch) -> NetworkInput:
    """uint8 (n, 224, 224, 3): the network's input, from the views, uint8 (n, h, w, 3), that a service receives."""
    if images.shape[1:3] == (NETWORK_SIZE, NETWORK_SIZE):
        return images
    return np.stack([standard_view(image) for image in images])


def _resize(image: Image, height: int, width: int, interpolation: int) -> Image:
    resized = cv2.resize(image, (width, height), interpolation=interpolation)
    return np.asarray(resized, dtype=np.uint8)
