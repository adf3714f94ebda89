import numpy as np
import pytest

from training.configuration import AugmentationConfig
from training.data.augmentation import augment

STILL = AugmentationConfig(
    rotation=0, zoom=0, shift=0, stretch=0, brightness=0, contrast=0, gamma=0, noise=0, blur=0, jpeg=0, erase=0
)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def test_nothing_switched_on_changes_nothing(picture: np.ndarray) -> None:
    np.testing.assert_array_equal(augment(picture, 40, STILL, np.random.default_rng(1)), picture)


def test_the_result_has_the_asked_size_whatever_the_shape() -> None:
    picture = np.zeros((30, 50, 3), np.uint8)
    assert augment(picture, 24, AugmentationConfig(), np.random.default_rng(1)).shape == (24, 24, 3)


def test_the_same_generator_state_gives_the_same_picture(picture: np.ndarray) -> None:
    first, second = (augment(picture, 40, AugmentationConfig(), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_left_and_right_are_swapped_only_where_allowed(picture: np.ndarray) -> None:
    allowed = STILL.model_copy(update={"flip_horizontal": True})
    drawn = [augment(picture, 40, allowed, np.random.default_rng(seed)) for seed in range(12)]
    flipped = [np.abs(d.astype(int)[:, 1:-1] - picture[:, ::-1].astype(int)[:, :-2]).mean() for d in drawn]
    kept = [np.array_equal(d, picture) for d in drawn]
    assert any(kept)
    assert not all(kept)
    assert min(flipped) < 40
