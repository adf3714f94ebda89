"""Quality is 0 for blank images, high for detailed ones, and falls as they are blurred."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from shared.images.quality import measure_quality
from shared.images.views import Image


def _pictures() -> dict[str, Image]:
    rng = np.random.default_rng(5)
    bars = np.zeros((256, 256, 3), dtype=np.uint8)
    bars[:, ::16] = bars[:, 1::16] = 255
    disc = cv2.circle(np.zeros((300, 300, 3), dtype=np.uint8), (150, 150), 90, (180, 120, 90), -1)
    textured = np.clip(disc + (disc > 0) * rng.normal(0, 25, disc.shape), 0, 255).astype(np.uint8)
    noise = rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    return {"bars": bars, "textured disc": textured, "noise": noise}


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_image_has_quality_0(level: int) -> None:
    assert measure_quality(np.full((300, 200, 3), level, dtype=np.uint8)) == 0


def test_a_detailed_image_has_high_quality(photo: Image) -> None:
    assert 0.5 < measure_quality(photo) <= 1


@pytest.mark.parametrize("name", _pictures())
def test_quality_falls_with_increasing_blur(name: str) -> None:
    picture = _pictures()[name]
    series = [measure_quality(np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))) for sigma in (0.5, 1, 2, 4, 8, 16)]
    assert all(sharper > softer or sharper == 0 for sharper, softer in itertools.pairwise(series))
    assert series == sorted(series, reverse=True)


def test_glare_over_most_of_the_image_lowers_quality(photo: Image) -> None:
    glaring = photo.copy()
    glaring[:, 30:] = 255
    assert measure_quality(glaring) < measure_quality(photo)


def test_low_contrast_lowers_quality(photo: Image) -> None:
    assert measure_quality((photo // 8 + 100).astype(np.uint8)) < measure_quality(photo)
