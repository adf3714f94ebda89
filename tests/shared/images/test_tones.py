"""Any depth becomes 8 bits without being led astray by a few extreme pixels."""

from __future__ import annotations

import numpy as np
import pytest

from shared.images.tones import grey_to_rgb, stretch, to_8_bit


def test_a_stretch_maps_its_percentiles_to_black_and_white() -> None:
    values = np.arange(1001, dtype=np.float64).reshape(7, 143)

    tones = stretch(values).ravel()

    assert (tones[5], tones[995]) == (0, 1)
    assert tones[500] == pytest.approx(0.5)
    assert (tones[0], tones[1000]) == (0, 1)


def test_a_rare_bright_spot_on_black_survives() -> None:
    values = np.zeros((100, 100), dtype=np.uint16)
    values[5, 5] = 9

    tones = stretch(values)

    assert tones[5, 5] == 1
    assert tones.sum() == 1


@pytest.mark.parametrize("values", [np.full((2, 2), 7), np.full((2, 2), np.nan), np.array([[np.inf, -np.inf]])])
def test_a_flat_image_becomes_black(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    assert not stretch(values).any()


def test_values_that_are_not_valid_do_not_count() -> None:
    values = np.array([[-9999, 0, 1, 2]])

    assert stretch(values, valid=values > -9999).tolist() == [pytest.approx([0, 0, 0.5, 1], abs=0.01)]


def test_a_very_large_image_is_stretched_by_a_sample() -> None:
    values = np.tile(np.arange(3001, dtype=np.uint16), (3000, 1))

    tones = stretch(values)

    assert tones[0, 1500] == pytest.approx(0.5, abs=0.001)
    assert tones.dtype == np.float32


def test_tones_are_rounded_to_8_bits() -> None:
    assert to_8_bit(np.array([[0, 0.5, 1, np.nan]])).tolist() == [[0, 128, 255, 0]]


def test_grey_fills_all_three_channels() -> None:
    assert grey_to_rgb(np.array([[1, 2]], dtype=np.uint8)).tolist() == [[[1, 1, 1], [2, 2, 2]]]
