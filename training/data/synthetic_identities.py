"""Synthetic identities: people who do not exist, made by deforming images of real ones.

Galleries of benchmarks are filled with them. Each identity has one smooth deformation, the same for all images of its
person, so that two images of one identity still match. If mirrored anatomy counts as another person, half of them are
mirrored too.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.augmentation import Image

STRETCH = 0.12
"""Largest change of width or height, as a fraction."""
BEND = 0.035
"""Standard deviation of the displacement at the knots, as a fraction of the side."""
KNOTS = 4
"""Knots of the displacement along each side: the finest bend spans a quarter of the image."""


def deform(image: Image, subject: str, version: int, *, mirror: bool) -> Image:
    """Return the image of synthetic identity `version` of a subject, uint8 (h, w, 3); version 0 is the image itself."""
    if version == 0:
        return image
    height, width = image.shape[:2]
    columns, rows = _sources(subject, version, mirror=mirror)
    map_x = cv2.resize(columns, (width, height), interpolation=cv2.INTER_CUBIC) * width
    map_y = cv2.resize(rows, (width, height), interpolation=cv2.INTER_CUBIC) * height
    return np.asarray(cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.uint8)


def _sources(subject: str, version: int, *, mirror: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the source position of each knot, float32 (64, 64) for x and y, as fractions of width and height."""
    seed = hashlib.sha256(f"{subject} {version}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    centres = (np.arange(64, dtype=np.float32) + 0.5) / 64
    x, y = np.meshgrid(centres, centres)
    x, y = (0.5 + (axis - 0.5) * np.exp(rng.uniform(-STRETCH, STRETCH)) for axis in (x, y))
    x, y = (
        axis + cv2.resize(rng.normal(0, BEND, (KNOTS, KNOTS)), (64, 64), interpolation=cv2.INTER_CUBIC)
        for axis in (x, y)
    )
    if rng.random() < 0.5 and mirror:
        x = 1 - x
    return x.astype(np.float32), y.astype(np.float32)
