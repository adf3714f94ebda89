"""Any depth becomes 8 bits without being led astray by a few extreme pixels."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.images.intensity import Intensities, grey_to_rgb, invert, percentile_stretch, subsample, to_uint8


def stretched(values: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> Intensities:
    return percentile_stretch(subsample(values, valid))(values)


def test_a_stretch_maps_its_percentiles_to_black_and_white() -> None:
    values = np.arange(1001, dtype=np.float64).reshape(7, 143)
    tones = stretched(values).ravel()
    assert (tones[5], tones[995]) == (0, 1)
    assert tones[500] == pytest.approx(0.5)
    assert (tones[0], tones[1000]) == (0, 1)


def test_a_rare_bright_spot_on_black_survives() -> None:
    values = np.zeros((100, 100), dtype=np.uint16)
    values[5, 5] = 9
    tones = stretched(values)
    assert tones[5, 5] == 1
    assert tones.sum() == 1


@pytest.mark.parametrize("values", [np.full((2, 2), 7), np.full((2, 2), np.nan), np.array([[np.inf, -np.inf]])])
def test_a_flat_image_becomes_black(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> None:
    assert not stretched(values).any()


def test_values_that_are_not_valid_do_not_count() -> None:
    values = np.array([[-9999, 0, 1, 2]])
    assert stretched(values, values > -9999).tolist() == [pytest.approx([0, 0, 0.5, 1], abs=0.01)]


def test_a_very_large_image_is_stretched_by_a_sample() -> None:
    values = np.tile(np.arange(3001, dtype=np.uint16), (3000, 1))
    tones = stretched(values)
    assert subsample(values).size < values.size
    assert tones[0, 1500] == pytest.approx(0.5, abs=0.001)
    assert tones.dtype == np.float32


def test_tones_are_rounded_to_8_bits() -> None:
    values = np.array([[0, 0.5, 1, np.nan]])
    assert to_uint8(values, lambda tones: tones).tolist() == [[0, 128, 255, 0]]
    assert to_uint8(values, invert(lambda tones: tones)).tolist() == [[255, 128, 0, 0]]


@pytest.mark.parametrize("shape", [(3000, 700), (3, 1_500_000), (1100, 1000, 3)])
def test_an_image_of_many_blocks_is_whole(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint16)
    assert np.array_equal(to_uint8(values, lambda block: block / np.float32(255)), values)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_tones_take_little_memory(kind: type[np.generic]) -> None:
    values = np.arange(8_000_000).reshape(2000, 4000).astype(kind)
    tracemalloc.start()
    try:
        to_uint8(values, percentile_stretch(subsample(values)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * values.size


def test_grey_fills_all_three_channels() -> None:
    assert grey_to_rgb(np.array([[1, 2]], dtype=np.uint8)).tolist() == [[[1, 1, 1], [2, 2, 2]]]
