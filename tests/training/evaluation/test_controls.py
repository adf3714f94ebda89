import cv2
import numpy as np
import pytest

from training.evaluation.controls import GREY, SURROUNDINGS, Surroundings, background, chance_test

DARK_AROUND = Surroundings()
CT, XRAY = SURROUNDINGS["ct"], SURROUNDINGS["xray"]


def body(height: int = 200, width: int = 240) -> np.ndarray:
    """uint8 (h, w, 3): a textured ellipse in the dark."""
    texture = np.random.default_rng(0).integers(90, 220, (height, width, 1)).astype(np.uint8)
    mask = cv2.ellipse(np.zeros((height, width), np.uint8), (width // 2, height // 2), (70, 60), 0, 0, 360, (1,), -1)
    return np.asarray(np.repeat(texture * mask[:, :, np.newaxis], 3, axis=2), np.uint8)


def test_nothing_of_the_body_is_left_not_even_its_outline() -> None:
    assert not background(body(), DARK_AROUND).any()


def test_the_outline_does_not_show_in_noise() -> None:
    noise = np.random.default_rng(1).integers(0, 9, (200, 240, 1)).astype(np.uint8)
    left = background(np.maximum(body(), noise), DARK_AROUND)
    assert left.max() < 9
    middle, corner = left[80:120, 100:140], left[:40, :40]
    assert abs(float(middle.mean()) - float(corner.mean())) < 0.3
    assert abs(float(middle.std()) - float(corner.std())) < 0.3


def test_what_stands_in_the_dark_stays() -> None:
    picture = body()
    picture[5:15, 5:12] = 240
    left = background(picture, DARK_AROUND)
    np.testing.assert_array_equal(left[:20, :20], picture[:20, :20])
    assert not left[40:].any()


def test_the_frame_of_a_figure_is_no_anatomy() -> None:
    picture = np.pad(body(), ((4, 4), (4, 4), (0, 0)), constant_values=255)
    left = background(picture, CT)
    assert np.all(left[:4] == 255)
    assert not left[8:-8, 8:-8].any()


def test_a_body_that_fills_the_picture_leaves_an_even_grey_one() -> None:
    skin = np.random.default_rng(0).integers(120, 200, (100, 120, 3)).astype(np.uint8)
    assert np.all(background(skin, DARK_AROUND) == GREY)


def test_letters_upon_a_body_that_fills_the_picture_stay() -> None:
    chest = np.full((200, 200, 3), GREY, np.uint8)
    chest[8:18, 170:176] = 255
    chest[100:110, 100:106] = 255  # in the middle: a pacemaker, a rib
    left = background(chest, XRAY)
    assert np.all(left[8:18, 170:176] == 255)
    left[8:18, 170:176] = GREY
    assert np.all(left == GREY)


def test_the_input_is_not_changed() -> None:
    picture = body()
    background(picture, XRAY)
    np.testing.assert_array_equal(picture, body())
    assert not background(np.zeros((50, 50, 3), np.uint8), DARK_AROUND).any()


def test_a_control_at_chance_passes() -> None:
    test = chance_test(10, 100, 0.1)
    assert test.passed
    assert test.low < 0.1 < test.high


def test_only_a_significant_excess_fails() -> None:
    assert chance_test(3, 10, 0.1).passed  # three times chance, of ten
    assert not chance_test(30, 100, 0.1).passed


def test_an_excess_that_the_source_explains_is_called_so() -> None:
    assert chance_test(15, 24, 1 / 16).verdict == "identifies"
    assert chance_test(15, 24, 1 / 16, 1 / 2).verdict == "finds the source"
    assert chance_test(2, 24, 1 / 16, 1 / 2).verdict == "as it should"


def test_the_p_value_is_the_exact_tail() -> None:
    assert chance_test(2, 2, 0.1).p_value == pytest.approx(0.15**2)
