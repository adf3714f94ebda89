"""Each step does what its name says, and keeps size and type."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest

from shared.images.steps import (
    EDGE_COLOUR,
    STEPS,
    canny_overlay,
    clahe,
    gaussian_denoising,
    greyscale,
    histogram_equalisation,
    lightness_clahe,
)
from shared.images.views import Image

_REQUIRED = {"gaussian_denoising": {"sigma": 1.0}, "canny_overlay": {"low": 60, "high": 160, "opacity": 0.5}}


def _is_grey(image: Image) -> bool:
    return bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())


def _low_contrast() -> Image:
    ramp = np.linspace(100, 140, 128).astype(np.uint8)
    return np.repeat(np.tile(ramp, (128, 1))[..., np.newaxis], 3, axis=-1)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_keeps_size_and_type_and_leaves_its_input_alone(name: str, photo: Image) -> None:
    before = photo.copy()
    after = STEPS[name](photo, **_REQUIRED.get(name, {}))
    assert after.shape == photo.shape
    assert after.dtype == np.uint8
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_gives_the_same_bytes_on_one_thread_and_on_many(name: str) -> None:
    image = np.random.default_rng(1).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    step = partial(STEPS[name], image, **_REQUIRED.get(name, {}))
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = step()
        cv2.setNumThreads(4)
        together = step()
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(alone, together)


def test_greyscale_weighs_channels_as_bt601_and_keeps_grey() -> None:
    primaries = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    assert greyscale(primaries)[0, :, 0].tolist() == [76, 150, 29]
    np.testing.assert_array_equal(greyscale(_low_contrast()), _low_contrast())


def test_equalisation_spreads_grey_values_and_drops_colour(photo: Image) -> None:
    spread = histogram_equalisation(_low_contrast())
    assert (spread.min(), spread.max()) == (0, 255)
    assert _is_grey(histogram_equalisation(photo))


def test_clahe_raises_contrast_to_its_limit_and_drops_colour(photo: Image) -> None:
    gentle, strong = (clahe(_low_contrast(), clip_limit=limit, tiles=2) for limit in (1.0, 8.0))
    assert strong.std() > gentle.std() > _low_contrast().std()
    assert _is_grey(clahe(photo))


def test_lightness_clahe_changes_lightness_and_keeps_colour() -> None:
    image = _low_contrast() + np.array([40, 0, 0], dtype=np.uint8)
    lab_before, lab_after = (cv2.cvtColor(i, cv2.COLOR_RGB2LAB).astype(int) for i in (image, lightness_clahe(image)))
    assert lab_after[..., 0].std() > lab_before[..., 0].std()
    assert np.abs(lab_after[..., 1:] - lab_before[..., 1:]).max() <= 2


def test_gaussian_denoising_lowers_noise_and_keeps_the_mean() -> None:
    noisy = np.random.default_rng(2).normal(128, 20, (128, 128, 3)).clip(0, 255).astype(np.uint8)
    calm = gaussian_denoising(noisy, sigma=1.0)
    assert calm.std() < noisy.std() / 2
    assert calm.mean() == pytest.approx(noisy.mean(), abs=1)


def test_canny_overlay_colours_edges_and_nothing_else() -> None:
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[:, 32:] = 200
    overlaid = canny_overlay(image, low=60, high=160, opacity=1.0)
    changed = (overlaid != image).any(axis=-1)
    assert (overlaid[changed] == EDGE_COLOUR).all()
    assert set(np.flatnonzero(changed.any(axis=0))) <= {30, 31, 32, 33}
    assert changed.any()


def test_canny_overlay_blends_by_its_opacity(photo: Image) -> None:
    np.testing.assert_array_equal(canny_overlay(photo, low=60, high=160, opacity=0.0), photo)


def test_canny_overlay_refuses_thresholds_in_the_wrong_order(photo: Image) -> None:
    with pytest.raises(ValueError, match="low must not exceed high"):
        canny_overlay(photo, low=200, high=100, opacity=0.5)
