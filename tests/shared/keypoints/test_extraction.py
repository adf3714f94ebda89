import cv2
import numpy as np
import pytest

from shared.keypoints.extraction import CONTRAST, MAX_KEYPOINTS, UNIT, extract_keypoints
from tests.shared.keypoints.surfaces import surface, turned


def test_descriptors_have_unit_length_and_places_in_the_view() -> None:
    keypoints = extract_keypoints(surface(1), upright=False)
    assert 50 < len(keypoints) <= MAX_KEYPOINTS
    assert keypoints.positions.shape == (len(keypoints), 2)
    assert keypoints.positions.dtype == np.float32
    assert np.all((keypoints.positions >= 0) & (keypoints.positions < 256))
    lengths = np.linalg.norm(keypoints.descriptors.astype(float), axis=1) / UNIT
    np.testing.assert_allclose(lengths, 1.0, atol=0.02)


@pytest.mark.parametrize("upright", [True, False])
def test_a_blank_view_has_none(upright: bool) -> None:
    keypoints = extract_keypoints(np.full((224, 224, 3), 90, np.uint8), upright=upright)
    assert len(keypoints) == 0
    assert keypoints.positions.shape == (0, 2)
    assert keypoints.directions.shape == (0, 128)


def test_keypoints_that_may_be_turned_are_sifts_strongest() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    found = cv2.SIFT.create(contrastThreshold=CONTRAST).detect(cv2.cvtColor(noise, cv2.COLOR_RGB2GRAY))
    strongest = sorted(found, key=lambda point: -point.response)[:MAX_KEYPOINTS]
    assert len(found) > 1.5 * MAX_KEYPOINTS
    keypoints = extract_keypoints(noise, upright=False)
    np.testing.assert_array_equal(keypoints.positions, np.array([point.pt for point in strongest], np.float32))


def test_upright_keypoints_are_the_strongest() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (512, 1024, 3)).astype(np.float32)
    noise[:, 400:] = 128 + (noise[:, 400:] - 128) / 3
    keypoints = extract_keypoints(noise.astype(np.uint8), upright=True)
    assert len(keypoints) == MAX_KEYPOINTS
    assert np.mean(keypoints.positions[:, 0] < 400) > 0.9


def test_black_around_the_anatomy_changes_no_keypoint() -> None:
    alone = extract_keypoints(surface(1), upright=True)
    framed = extract_keypoints(np.pad(surface(1), ((112, 80), (48, 144), (0, 0))), upright=True)
    inside = np.all((framed.positions > (48 + 40, 112 + 40)) & (framed.positions < (48 + 216, 112 + 216)), axis=1)
    places = {tuple(position) for position in np.round(alone.positions).tolist()}
    found = [tuple(position) in places for position in np.round(framed.positions[inside] - (48, 112)).tolist()]
    assert len(found) > 50
    assert np.mean(found) > 0.95


def test_there_are_never_more_than_fit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (384, 384, 3), np.uint8)
    assert len(extract_keypoints(noise, upright=False)) == MAX_KEYPOINTS


def test_upright_keypoints_stand_at_different_places() -> None:
    keypoints = extract_keypoints(surface(1), upright=True)
    assert len(np.unique(keypoints.positions, axis=0)) > 0.9 * len(keypoints)


def test_upright_descriptors_change_when_the_picture_is_turned() -> None:
    def mean_best(upright: bool) -> float:
        a, b = (extract_keypoints(view, upright=upright).directions for view in (surface(1), turned(surface(1), 90)))
        return float((a @ b.T).max(axis=1).mean())

    assert mean_best(upright=False) > mean_best(upright=True) + 0.05


@pytest.mark.parametrize("upright", [True, False])
def test_keypoints_of_a_smaller_view_keep_their_places(upright: bool) -> None:
    view = np.asarray(cv2.resize(surface(1), (384, 384), interpolation=cv2.INTER_CUBIC), np.uint8)
    whole, smaller = (extract_keypoints(view, upright=upright, size=size) for size in (None, 256))
    assert not np.array_equal(whole.positions, smaller.positions)
    cosine = smaller.directions @ whole.directions.T
    same = cosine.max(axis=1) > 0.95
    assert same.sum() > 50
    apart = np.linalg.norm(smaller.positions - whole.positions[cosine.argmax(axis=1)], axis=1)[same]
    assert np.median(apart) < 0.5
    assert np.mean(apart < 2.0) > 0.9


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("size", [None, 240])
def test_a_keypoint_stands_in_the_middle_of_a_disc(upright: bool, size: int | None) -> None:
    """SIFT of OpenCV adds a quarter of a pixel, of the view where it looks."""
    view = np.zeros((480, 640, 3), np.uint8)
    cv2.circle(view, (420, 250), 8, (255, 255, 255), -1)
    soft = np.asarray(cv2.GaussianBlur(view, (0, 0), 1.0), np.uint8)
    keypoints = extract_keypoints(soft, upright=upright, size=size)
    off = keypoints.positions - (420, 250)
    nearest = off[np.linalg.norm(off, axis=1).argmin()]
    assert np.all((nearest > 0.2) & (nearest < 0.6))


def test_a_view_that_is_small_enough_stays_as_it_is() -> None:
    as_it_is, small = (extract_keypoints(surface(1), upright=False, size=size) for size in (None, 256))
    np.testing.assert_array_equal(as_it_is.descriptors, small.descriptors)
