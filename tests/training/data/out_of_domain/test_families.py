import numpy as np
import pytest

from training.data.out_of_domain import GENERATED, MIXED, SIDE, OutOfDomainImages

BRIGHT, DARK = np.full((60, 80, 3), 200, np.uint8), np.full((90, 70, 3), 20, np.uint8)


def numbered(count: int) -> list[np.ndarray]:
    return [np.full((64, 64, 3), number, np.uint8) for number in range(count)]


def drawn(family: str, seed: int) -> np.ndarray:
    return OutOfDomainImages({}).draw(family, BRIGHT, DARK, np.random.default_rng(seed))


@pytest.mark.parametrize("family", sorted({*GENERATED, *MIXED}))
def test_every_family_draws_pictures_of_its_own_seed(family: str) -> None:
    pictures = [drawn(family, seed) for seed in range(4)]
    for picture in pictures:
        assert SIDE - 8 < min(picture.shape[:2]) <= max(picture.shape[:2]) <= SIDE
        assert picture.ndim == 3
        assert picture.dtype == np.uint8
    np.testing.assert_array_equal(drawn(family, 2), pictures[2])


@pytest.mark.parametrize("family", sorted(GENERATED))
def test_generated_pictures_differ(family: str) -> None:
    pictures = [drawn(family, seed).astype(int) for seed in range(4)]
    assert max(np.abs(pictures[0] - other).mean() for other in pictures[1:]) > 1


def test_two_modalities_in_one_picture_are_both_seen() -> None:
    for family in ("side_by_side", "quarters"):
        assert {20, 200} <= set(np.unique(drawn(family, 1)).tolist())


def test_what_is_held_out_is_never_chosen() -> None:
    foreign = OutOfDomainImages({"cats": numbered(2)})
    held_out = frozenset({*MIXED, *GENERATED} - {"blank"})
    rng = np.random.default_rng(0)
    assert {foreign.choose(rng, without=held_out) for _ in range(40)} == {"blank", "cats"}
    assert set(foreign.names()) == {*GENERATED, *MIXED, "cats"}


def test_validation_images_of_a_collection_do_not_train() -> None:
    foreign, rng = OutOfDomainImages({"cats": numbered(21)}), np.random.default_rng(0)

    def seen(*, validation: bool) -> set[int]:
        crops = (foreign.draw("cats", BRIGHT, DARK, rng, validation=validation) for _ in range(150))
        return {int(crop[0, 0, 0]) for crop in crops}

    assert seen(validation=True) == {0, 7, 14}
    assert seen(validation=False) == set(range(21)) - {0, 7, 14}
