"""A second acquisition of a subject: its picture with small changes, as if taken again."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.phantoms.texture import Picture


def rephotograph(image: Picture, seed: int) -> Picture:
    """Turn, shift, zoom, light and blur a picture and add noise, all by `seed`: uint8 (h, w, 3), RGB, in and out.

    Up to 4 degrees, 2 % of the width, 6 % of size and 8 % of light; a grey picture stays grey. JPEG comes with saving.
    """
    rng = np.random.default_rng([0x7E9, seed])
    moved = _moved(rng, image)
    values = _lit(rng, np.asarray(moved, np.float32) / 255, grey=_is_grey(image))
    values = np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(0.3, 0.7)), np.float32)
    noise = rng.normal(0, rng.uniform(0.004, 0.010), values.shape[:2] if _is_grey(image) else values.shape)
    # the device masks a black surround: it has almost no noise
    shade = np.clip(values.max(axis=2, keepdims=True) * 6, 0.1, 1)
    values = values + shade * noise.reshape(*values.shape[:2], -1)
    return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)


def _moved(rng: np.random.Generator, image: Picture) -> Picture:
    height, width = image.shape[:2]
    turn, zoom = rng.uniform(-4, 4), rng.uniform(0.97, 1.06)
    matrix = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, zoom), np.float64)
    matrix[:, 2] += rng.uniform(-0.02, 0.02, 2) * np.asarray((width, height))
    frame = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    # beyond the frame skin continues, and so does a black surround
    border = cv2.BORDER_CONSTANT if np.median(frame) < 12 else cv2.BORDER_REFLECT_101
    moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(moved, np.uint8)


def _lit(rng: np.random.Generator, values: NDArray[np.floating[Any]], *, grey: bool) -> NDArray[np.floating[Any]]:
    """Change exposure, gamma, the slope of light across the picture and, in colour, the white balance."""
    height, width = values.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    slope = 1 + rng.uniform(-0.03, 0.03) * x + rng.uniform(-0.03, 0.03) * y
    balance = np.ones(3) if grey else 1 + rng.uniform(-0.025, 0.025, 3)
    lit = values ** rng.uniform(0.93, 1.07) * (rng.uniform(0.95, 1.05) * slope[..., None] * balance)
    return np.asarray(lit, np.float32)


def _is_grey(image: Picture) -> bool:
    return bool((image[..., :1] == image).all())
