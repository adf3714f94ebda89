"""Square views of an image, at the sizes of COMPA and the identification networks.

The whole image is squeezed into the square. Nothing is cropped, so no anatomy is lost. Nothing is padded, so no pixel
of the network is wasted. An axis that shrinks is averaged over areas (no aliasing); one that grows is interpolated
linearly. The result depends only on pixels and size, so training and serving get the same bytes.

Views are uint8, 0-255. The exported network scales pixels to the range of its backbone.
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
    """Return uint8 (size, size, 3): the whole uint8 (h, w, 3) image, squeezed; the image itself if it has that size."""
    height, width = image.shape[:2]
    view = image
    if height > size or width > size:
        view = _resize(view, min(height, size), min(width, size), cv2.INTER_AREA)
    if height < size or width < size:
        view = _resize(view, size, size, cv2.INTER_LINEAR)
    return view


def standard_view(image: Image) -> Image:
    """Return uint8 (224, 224, 3) for uint8 (h, w, 3): the view of COMPA, without any recipe."""
    return square_view(image, NETWORK_SIZE)


def network_view(images: ImageBatch) -> NetworkInput:
    """Return uint8 (n, 224, 224, 3), the network's input, for the views uint8 (n, h, w, 3) of a service."""
    if images.shape[1:3] == (NETWORK_SIZE, NETWORK_SIZE):
        return images
    return np.stack([standard_view(image) for image in images])


def _resize(image: Image, height: int, width: int, interpolation: int) -> Image:
    resized = cv2.resize(image, (width, height), interpolation=interpolation)
    return np.asarray(resized, dtype=np.uint8)
