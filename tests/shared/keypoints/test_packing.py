import numpy as np
import pytest

from shared.keypoints.extraction import extract_keypoints
from shared.keypoints.packing import pack, unpack
from tests.shared.keypoints.surfaces import surface

LIMIT = 40_000


@pytest.mark.parametrize("upright", [True, False])
def test_what_is_packed_comes_back(upright: bool) -> None:
    keypoints = extract_keypoints(surface(1), upright=upright)
    stored = unpack(pack(keypoints))
    assert stored is not None
    assert stored.upright == upright
    np.testing.assert_allclose(stored.positions, keypoints.positions, atol=1 / 128)
    np.testing.assert_array_equal(stored.descriptors, keypoints.descriptors)


def test_the_largest_template_fits_into_40_kb() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    assert LIMIT * 0.9 < len(pack(extract_keypoints(noise, upright=False))) <= LIMIT


def test_a_view_without_keypoints_can_be_kept_too() -> None:
    stored = unpack(pack(extract_keypoints(np.zeros((224, 224, 3), np.uint8), upright=True)))
    assert stored is not None
    assert len(stored) == 0


def test_another_version_cannot_be_compared() -> None:
    data = pack(extract_keypoints(surface(1), upright=True))
    assert unpack(bytes([data[0] + 1]) + data[1:]) is None


@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_damaged_bytes_are_an_error_that_says_so(cut: int) -> None:
    with pytest.raises(ValueError, match="damaged"):
        unpack(pack(extract_keypoints(surface(1), upright=True))[:cut])
