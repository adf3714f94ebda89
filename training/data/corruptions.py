"""What happens to pictures on their way, and must not change what COMPA answers: crops, borders, casts, compression."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""

Mishap = Callable[[Image, np.random.Generator], Image]


def turned(image: Image, rng: np.random.Generator) -> Image:
    """By one, two or three quarters."""
    return np.ascontiguousarray(np.rot90(image, int(rng.integers(1, 4))))


def inverted(image: Image, _rng: np.random.Generator) -> Image:
    """Black for white."""
    return 255 - image


def cropped(image: Image, rng: np.random.Generator) -> Image:
    """Up to a fifth of the length is cut off at each edge."""
    height, width = image.shape[:2]
    top, bottom, left, right = rng.uniform(0, 0.2, 4) * (height, height, width, width)
    return np.ascontiguousarray(image[int(top) : height - int(bottom), int(left) : width - int(right)])


def bordered(image: Image, rng: np.random.Generator) -> Image:
    """An even border of up to a fifth of the length at each edge: mostly black, or white, or grey."""
    height, width = image.shape[:2]
    top, bottom, left, right = (int(v) for v in rng.uniform(0, 0.2, 4) * (height, height, width, width))
    shade = int(rng.choice(np.array([0, 0, 255, rng.integers(256)])))
    return np.asarray(
        cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(shade,) * 3), np.uint8
    )


def cast(image: Image, rng: np.random.Generator) -> Image:
    """The light had a colour."""
    return np.asarray(np.minimum(image * rng.uniform(0.7, 1.3, 3), 255), np.uint8)


def compressed(image: Image, rng: np.random.Generator) -> Image:
    """JPEG of quality 20 to 95."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 96))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def blurred(image: Image, rng: np.random.Generator) -> Image:
    """Out of focus by up to 0.6 % of the longer side (sigma)."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.001, 0.006) * max(image.shape)), np.uint8)


MISHAPS: Mapping[str, tuple[Mishap, float]] = {
    "turned": (turned, 0.2),
    "cropped": (cropped, 0.2),
    "bordered": (bordered, 0.25),
    "inverted": (inverted, 0.2),
    "colour cast": (cast, 0.15),
    "blurred": (blurred, 0.1),
    "compressed": (compressed, 0.35),
}
"""In the order in which they happen, each with how often it happens in training."""


def befallen(image: Image, rng: np.random.Generator) -> Image:
    """A copy to which any of the mishaps may have happened, or none."""
    for happens, share in MISHAPS.values():
        if rng.random() < share:
            image = happens(image, rng)
    return image
