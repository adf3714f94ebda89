"""Views are squares of the whole image."""

from __future__ import annotations

import numpy as np
import pytest

from shared.images.views import network_view, square_view, standard_view


@pytest.mark.parametrize("shape", [(1, 1), (1, 40_000), (40_000, 1), (224, 224), (500, 100), (100, 500), (600, 700)])
def test_every_shape_becomes_a_square(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, dtype=np.uint8)
    view = standard_view(image)
    assert view.shape == (224, 224, 3)
    assert (view == 77).all()


def test_shrinking_averages_whole_blocks() -> None:
    image = np.zeros((448, 448, 3), dtype=np.uint8)
    image[::2] = 200
    assert (square_view(image, 224) == 100).all()


def test_nothing_is_cropped() -> None:
    image = np.zeros((100, 900, 3), dtype=np.uint8)
    image[:, :10] = image[:, -10:] = 255
    view = square_view(image, 224)
    assert view[:, 0].min() == view[:, -1].min() == 255
    assert view[:, 112].max() == 0


def test_a_view_of_the_right_size_keeps_its_bytes() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(square_view(image, 224), image)


def test_network_views_are_the_standard_views_of_larger_ones() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 512, 512, 3), dtype=np.uint8)
    views = network_view(images)
    assert views.shape == (3, 224, 224, 3)
    np.testing.assert_array_equal(views[1], standard_view(images[1]))
    assert network_view(views) is views
