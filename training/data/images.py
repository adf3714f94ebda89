"""Images of a manifest in memory, decoded once, as the gateway decodes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from shared.errors import MedReIDError
from shared.images.decoding import decode_image
from training.data.bundle_manifest import MANIFEST_NAME, Row, read_manifest

CACHE_SIDE = 256
"""Longest side in memory, in pixels. Larger than the network's input, so that zoom and rotation keep detail."""

Pictures = dict[str, NDArray[np.uint8]]
"""Images by path of the manifest, each uint8 (h, w, 3), RGB."""


def load_pictures(root: Path, rows: Iterable[Row], side: int = CACHE_SIDE) -> Pictures:
    """Decode every image of `rows`, shrunk to at most `side` pixels.

    Raises:
        ValueError: an image cannot be decoded. The message names its line in the manifest.
    """
    paths = sorted({row.path for row in rows})
    progress = tqdm(paths, desc="decoding", unit="image")
    return {path: shrink(_decoded(root, path), side) for path in progress}


def _decoded(root: Path, path: str) -> NDArray[np.uint8]:
    try:
        return decode_image((root / path).read_bytes()).pixels
    except MedReIDError as error:
        line = next(i for i, row in enumerate(read_manifest(root), 2) if row.path == path)
        raise ValueError(
            f"{MANIFEST_NAME}, line {line}: {error.title}. Replace the image by one that the gateway reads, or remove"
            " the line."
        ) from None


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the uint8 (h, w, 3) image with its longest side at most `side` pixels, its aspect ratio kept."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(scale * length)) for length in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
