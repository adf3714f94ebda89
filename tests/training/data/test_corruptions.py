import numpy as np
import pytest

from training.data.corruptions import CORRUPTIONS, corrupt, inverted, turned

PICTURE = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_changes_the_image(name: str) -> None:
    happened = CORRUPTIONS[name][0](PICTURE, np.random.default_rng(1))
    assert happened.dtype == np.uint8
    assert happened.shape[2] == 3
    assert happened.shape != PICTURE.shape or (happened != PICTURE).any()


def test_inversion_is_its_own_inverse() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(inverted(inverted(PICTURE, rng), rng), PICTURE)


def test_turning_keeps_every_pixel() -> None:
    happened = turned(PICTURE, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(happened, axis=None), np.sort(PICTURE, axis=None))


def test_mostly_something_happens_and_sometimes_nothing() -> None:
    same = [corrupt(PICTURE, np.random.default_rng(seed)) is PICTURE for seed in range(60)]
    assert 0 < sum(same) < 40
