import numpy as np
import pytest

from tests.shared.keypoints.surfaces import surface
from training.data.synthetic_identities import deform


def changed(version: int, *, subject: str = "p1", mirror: bool = False) -> np.ndarray:
    return deform(surface(1), subject, version, mirror=mirror)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(int) - second.astype(int)).mean())


def test_version_0_is_the_picture_itself() -> None:
    np.testing.assert_array_equal(changed(0), surface(1))


def test_a_virtual_identity_is_the_same_whenever_it_is_drawn() -> None:
    np.testing.assert_array_equal(changed(2), changed(2))


def test_every_version_and_every_subject_has_a_shape_of_its_own() -> None:
    shapes = [changed(0), changed(1), changed(2), changed(1, subject="p2")]
    assert min(difference(a, b) for i, a in enumerate(shapes) for b in shapes[:i]) > 5


def test_two_pictures_of_one_subject_are_deformed_alike() -> None:
    """What differed between them differs afterwards in the same way: light stays light."""
    dark = (surface(1) // 2).astype(np.uint8)
    assert difference(deform(dark, "p1", 1, mirror=False), changed(1) // 2) < 1


@pytest.mark.parametrize("mirror", [True, False])
def test_versions_are_mirrored_only_if_asked(mirror: bool) -> None:
    left = np.zeros((64, 64, 3), np.uint8)
    left[:, :32] = 255
    halves = [float(deform(left, "p1", version, mirror=mirror)[:, :24].mean()) for version in range(1, 20)]
    assert (min(halves) < 64) == mirror


def test_pictures_that_are_not_square_keep_their_size() -> None:
    assert deform(surface(1)[:100], "p1", 1, mirror=True).shape == (100, 256, 3)
