"""A second acquisition: the same subject, never the same pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from samples.phantoms import DRAW
from samples.phantoms.texture import Picture
from samples.rephotograph import rephotograph


@pytest.fixture(scope="module")
def skin() -> Picture:
    return DRAW["skin"](1, 144)


def test_a_seed_repeats_itself(skin: Picture) -> None:
    assert np.array_equal(rephotograph(skin, 4), rephotograph(skin, 4))


def test_another_seed_is_another_acquisition(skin: Picture) -> None:
    assert not np.array_equal(rephotograph(skin, 4), rephotograph(skin, 5))


@pytest.mark.parametrize("seed", range(6))
def test_it_shows_the_same_subject(skin: Picture, seed: int) -> None:
    again = rephotograph(skin, seed)
    assert again.shape == skin.shape
    assert _likeness(skin, again) > max(0.75, _likeness(skin, DRAW["skin"](2, 144)))


def test_grey_stays_grey() -> None:
    again = rephotograph(DRAW["mri"](1, 96), 2)
    assert (again == again[..., :1]).all()


def _likeness(a: Picture, b: Picture) -> float:
    """Correlation of coarse greys."""
    greys = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (a, b))
    first, second = (cv2.GaussianBlur(grey, (0, 0), 4) for grey in greys)
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
