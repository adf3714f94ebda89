import numpy as np
import pytest

from tests.shared.keypoints.surfaces import surface
from training.foreign import FAMILIES, SIDE, draw_foreign, photograph


@pytest.mark.parametrize("family", sorted({f.__name__ for f in FAMILIES}))
def test_every_family_draws_pictures_that_differ(family: str) -> None:
    draw = next(f for f in FAMILIES if f.__name__ == family)
    rng = np.random.default_rng(0)
    first, second = draw(rng), draw(rng)
    assert first.shape == (SIDE, SIDE, 3)
    assert first.dtype == np.uint8
    assert np.abs(first.astype(int) - second.astype(int)).mean() > 1


def test_all_families_and_shuffled_pictures_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_foreign(rng, surface(1)) for _ in range(40)]
    assert all(SIDE - 8 < min(picture.shape[:2]) <= max(picture.shape[:2]) <= SIDE for picture in drawn)


def test_the_same_seed_gives_the_same_photograph() -> None:
    np.testing.assert_array_equal(photograph(np.random.default_rng(3)), photograph(np.random.default_rng(3)))
