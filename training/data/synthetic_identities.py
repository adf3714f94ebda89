"""Virtual identities: people who do not exist, made of those who do.

A few dozen patients teach a network who they are rather than what people differ in. Each is therefore seen in further
shapes: one smooth deformation per virtual identity, the same for all of a patient's pictures, so that what two
pictures of one identity share stays shared. Where no picture is ever flipped, half of them are mirrored too: an anatomy
and its mirror image are two people.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.augmentation import Image

STRETCH = 0.12
"""Largest change of width or height, as a share."""
BEND = 0.035
"""Standard deviation of the displacement at the knots, as a share of the side."""
KNOTS = 4
"""Knots of the displacement along each side: nothing finer than a quarter of the picture is bent."""


def deform(image: Image, subject: str, version: int, *, mirror: bool) -> Image:
    """Version `version` of the subject, uint8 (h, w, 3) as `image`; version 0 is the picture itself."""
    if version == 0:
        return image
    height, width = image.shape[:2]
    columns, rows = _sources(subject, version, mirror=mirror)
    map_x = cv2.resize(columns, (width, height), interpolation=cv2.INTER_CUBIC) * width
    map_y = cv2.resize(rows, (width, height), interpolation=cv2.INTER_CUBIC) * height
    return np.asarray(cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.uint8)


def _sources(subject: str, version: int, *, mirror: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the knots' pixels come from, float32 (64, 64) each, in shares of width and height."""
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
