"""Marks that are drawn on an image are found and filled; what is in the picture stays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from shared.images.graphics import fill_marks, graphics_mask, remove_graphics
from shared.keypoints.extraction import extract_keypoints
from tests.shared.keypoints.surfaces import surface

SIDE = 256
Mark = Callable[[np.ndarray], np.ndarray]


def text(image: np.ndarray) -> np.ndarray:
    for row in range(4):
        cv2.putText(
            image, f"NAME^{row} 0{row}.12.1957", (8, 20 + 16 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,) * 3, 1
        )
    return image


def ruler(image: np.ndarray) -> np.ndarray:
    cv2.line(image, (20, 240), (236, 240), (255,) * 3, 1)
    for i in range(25):
        cv2.line(image, (20 + 9 * i, 240), (20 + 9 * i, 228 if i % 5 == 0 else 234), (255,) * 3, 1)
    return image


def side_marker(image: np.ndarray) -> np.ndarray:
    cv2.putText(image, "R", (205, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255,) * 3, 3)
    return image


MARKS = [text, ruler, side_marker]


def anatomy(seed: int = 1) -> np.ndarray:
    """A smooth grey surface, as tissue is."""
    grey = cv2.GaussianBlur(surface(seed), (0, 0), 3)[..., 1]
    return np.repeat((40 + grey // 2)[..., np.newaxis], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_found_and_little_else(mark: Mark) -> None:
    plain = anatomy()
    marked = mark(plain.copy())
    drawn = (marked != plain).any(axis=2)
    mask = graphics_mask(marked)
    assert mask.shape == (SIDE, SIDE)
    assert mask[drawn].mean() > 0.9
    assert mask[cv2.dilate(drawn.astype(np.uint8), np.ones((31, 31))) == 0].mean() < 0.01


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_without_marks_stays(seed: int) -> None:
    assert graphics_mask(anatomy(seed)).mean() < 0.005


def test_no_keypoint_is_found_on_marks() -> None:
    plain = anatomy()
    marked = side_marker(ruler(text(plain.copy())))
    drawn = cv2.dilate((marked != plain).any(axis=2).astype(np.uint8), np.ones((5, 5))) > 0

    def on_marks(view: np.ndarray) -> int:
        x, y = extract_keypoints(view, upright=True).positions.round().astype(int).clip(0, SIDE - 1).T
        return int(drawn[y, x].sum())

    assert on_marks(marked) > 50
    assert on_marks(remove_graphics(marked)) <= on_marks(marked) // 15


def test_filled_areas_have_the_colour_around_them() -> None:
    image = np.zeros((120, 90, 3), np.uint8)
    image[..., 0] = np.linspace(50, 200, 90).astype(np.uint8)
    mask = np.zeros((120, 90), bool)
    mask[40:60, 30:50] = True
    marked = image.copy()
    marked[mask] = 255
    filled = fill_marks(marked, mask)
    assert np.abs(filled.astype(int) - image).max() <= 12
    np.testing.assert_array_equal(filled[~mask], image[~mask])


def test_an_image_that_is_all_mark_becomes_one_shade() -> None:
    filled = fill_marks(np.full((40, 40, 3), 200, np.uint8), np.ones((40, 40), bool))
    assert filled.min() == filled.max()


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 3), (3, 500, 3)])
def test_any_size_is_searched(shape: tuple[int, int, int]) -> None:
    assert remove_graphics(np.zeros(shape, np.uint8)).shape == shape


def test_threads_get_the_same_answer() -> None:
    images = [mark(anatomy(seed)) for seed in range(4) for mark in MARKS]
    alone = [graphics_mask(image) for image in images]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(graphics_mask, images * 3))
    np.testing.assert_array_equal(together, alone * 3)
