"""Phantoms: the same seed draws the same patient."""

from __future__ import annotations

import numpy as np
import pytest

from samples.phantoms import DRAW
from shared.modalities import load_registry

MODALITIES = sorted(DRAW)


def test_every_modality_has_a_phantom() -> None:
    assert set(DRAW) == set(load_registry().names)


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_seed_is_a_patient(modality: str) -> None:
    draw = DRAW[modality]
    first, again, other = draw(7, 96), draw(7, 96), draw(8, 96)
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 4


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("size", [64, 97])
def test_a_phantom_is_rgb_of_the_size_asked_for(modality: str, size: int) -> None:
    image = DRAW[modality](3, size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.std() > 8


@pytest.mark.parametrize("modality", ["ct", "mri", "xray"])
def test_radiology_gives_grey(modality: str) -> None:
    image = DRAW[modality](3, 96)
    assert (image == image[..., :1]).all()


def test_a_fundus_lies_in_a_black_surround() -> None:
    image = DRAW["fundus"](5, 144)
    corners = np.concatenate([image[:6, :6], image[-6:, -6:]])
    assert corners.max() <= 12
    assert image[60:84, 60:84].mean() > 30
