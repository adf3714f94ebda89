import numpy as np

from training.evaluation.controls import GREY, mask_centre


def test_the_middle_is_even_grey_and_the_corners_stay() -> None:
    image = np.random.default_rng(0).integers(0, 100, (60, 90, 3)).astype(np.uint8)
    masked = mask_centre(image, 0.8)
    assert np.all(masked[20:40, 25:65] == GREY)
    np.testing.assert_array_equal(masked[:4, :4], image[:4, :4])


def test_the_picture_itself_is_left_as_it_was() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    mask_centre(image, 0.8)
    assert not image.any()
