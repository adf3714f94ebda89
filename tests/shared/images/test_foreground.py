"""Bodies are drawn: an ellipse in the dark, with what surrounds bodies on real pictures."""

from __future__ import annotations

import cv2
import numpy as np

from shared.images.foreground import foreground_mask, remove_annotations
from shared.images.steps import only_anatomy
from shared.images.views import Image


def body(size: int = 288) -> Image:
    """uint8 (size, size, 3): a bright ellipse in the middle, black around it."""
    canvas = np.zeros((size, size, 3), np.uint8)
    cv2.ellipse(canvas, (size // 2, size // 2), (size // 4, size // 3), 0, 0, 360, (160, 150, 140), cv2.FILLED)
    return canvas


def chest(size: int = 288) -> Image:
    """uint8 (size, size, 3): shades that fill the picture."""
    shades = np.linspace(80, 170, size).astype(np.uint8)
    return np.repeat(np.tile(shades, (size, 1))[..., np.newaxis], 3, axis=-1)


def test_the_hull_is_the_body_to_a_few_pixels() -> None:
    picture = body()
    truth = picture.max(axis=2) > 0
    found = foreground_mask(picture, dark=0.08)
    assert (found & truth).sum() / (found | truth).sum() > 0.97


def test_a_margin_widens_the_hull_on_all_sides() -> None:
    picture = body()
    rows, columns = np.nonzero(foreground_mask(picture, dark=0.08))
    wide = foreground_mask(picture, dark=0.08, margin=0.04)
    assert wide[rows.min() - 8, 144]
    assert wide[rows.max() + 8, 144]
    assert wide[144, columns.min() - 8]
    assert wide[144, columns.max() + 8]


def test_noise_and_frame_become_black_and_the_head_stays() -> None:
    picture = body()
    truth = picture.max(axis=2) > 0
    noise = np.random.default_rng(0).integers(0, 12, (288, 288, 1)).astype(np.uint8)
    noisy = np.maximum(picture, np.repeat(noise, 3, axis=2))
    noisy[20:268, 20] = 12
    only = only_anatomy(noisy)
    assert not only[:40].any()
    assert (only[cv2.erode(truth.astype(np.uint8), np.ones((9, 9))) > 0] == [160, 150, 140]).all()


def test_of_a_picture_without_anatomy_nothing_is_left() -> None:
    noise = np.random.default_rng(0).integers(0, 20, (256, 256, 3)).astype(np.uint8)
    assert not only_anatomy(noise).any()
    assert not only_anatomy(np.full((256, 256, 3), 128, np.uint8), thin=0.06, marks=True).any()


def test_a_thin_line_is_a_frame_where_the_recipe_says_so() -> None:
    picture = body()
    picture[:, 4:12] = 255
    assert only_anatomy(picture)[:, :12].any()
    assert not only_anatomy(picture, thin=0.06)[:, :12].any()


def test_a_letter_near_the_edge_takes_the_shade_around_it() -> None:
    picture = chest()
    cv2.putText(picture, "L", (262, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
    clean = remove_annotations(picture)
    assert np.abs(clean.astype(int) - chest()).max() <= 12


def test_a_bright_spot_in_the_middle_is_anatomy() -> None:
    picture = chest()
    picture[140:146, 140:146] = 255
    np.testing.assert_array_equal(remove_annotations(picture), picture)


def test_pictures_of_every_size_are_read_the_same_way() -> None:
    for size in (96, 192, 512):
        picture = body(size)
        assert abs(foreground_mask(picture, dark=0.08).mean() - picture.any(axis=2).mean()) < 0.03
