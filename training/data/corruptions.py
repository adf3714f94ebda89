"""Corruptions that must not change COMPA's answer: crops, borders, colour casts, blur, compression."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""

Corruption = Callable[[Image, np.random.Generator], Image]


def turned(image: Image, rng: np.random.Generator) -> Image:
    """Turn by one, two or three right angles."""
    return np.ascontiguousarray(np.rot90(image, int(rng.integers(1, 4))))


def inverted(image: Image, _rng: np.random.Generator) -> Image:
    """Invert black and white."""
    return 255 - image


def cropped(image: Image, rng: np.random.Generator) -> Image:
    """Cut off up to a fifth of the length at each edge."""
    height, width = image.shape[:2]
    top, bottom, left, right = rng.uniform(0, 0.2, 4) * (height, height, width, width)
    return np.ascontiguousarray(image[int(top) : height - int(bottom), int(left) : width - int(right)])


def bordered(image: Image, rng: np.random.Generator) -> Image:
    """Add an even border of up to a fifth of the length at each edge: mostly black, else white or grey."""
    height, width = image.shape[:2]
    top, bottom, left, right = (int(v) for v in rng.uniform(0, 0.2, 4) * (height, height, width, width))
    shade = int(rng.choice(np.array([0, 0, 255, rng.integers(256)])))
    return np.asarray(
        cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(shade,) * 3), np.uint8
    )


def cast(image: Image, rng: np.random.Generator) -> Image:
    """Multiply each colour channel by 0.7 to 1.3."""
    return np.asarray(np.minimum(image * rng.uniform(0.7, 1.3, 3), 255), np.uint8)


def compressed(image: Image, rng: np.random.Generator) -> Image:
    """Compress as JPEG of quality 20 to 95."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 96))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def blurred(image: Image, rng: np.random.Generator) -> Image:
    """Blur by a sigma of 0.1 to 0.6 % of the longer side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.001, 0.006) * max(image.shape)), np.uint8)


CORRUPTIONS: Mapping[str, tuple[Corruption, float]] = {
    "turned": (turned, 0.2),
    "cropped": (cropped, 0.2),
    "bordered": (bordered, 0.25),
    "inverted": (inverted, 0.2),
    "colour cast": (cast, 0.15),
    "blurred": (blurred, 0.1),
    "compressed": (compressed, 0.35),
}
"""In the order of application, each with its probability in training."""


def corrupt(image: Image, rng: np.random.Generator) -> Image:
    """Apply each corruption with its probability; return the image itself if none was drawn."""
    for change, probability in CORRUPTIONS.values():
        if rng.random() < probability:
            image = change(image, rng)
    return image
