import cv2
import numpy as np
import pytest

from shared.keypoints.extraction import UNIT, Keypoints, extract_keypoints
from shared.keypoints.geometry import NO_MATCH, TOLERANCE, GeometricMatch, match_keypoints, mutual_matches
from tests.shared.keypoints.surfaces import darker, surface, turned

MANY = 30
FEW = 8


def agreed(first: np.ndarray, second: np.ndarray, *, upright: bool = False) -> GeometricMatch:
    return match_keypoints(extract_keypoints(first, upright=upright), extract_keypoints(second, upright=upright))


def agreeing(first: np.ndarray, second: np.ndarray, *, upright: bool = False) -> int:
    return agreed(first, second, upright=upright).inliers


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (15, 1.1), (170, 0.8), (60, 1.4)])
def test_a_surface_is_found_turned_nearer_and_in_other_light(degrees: float, scale: float) -> None:
    assert agreeing(surface(1), darker(turned(surface(1), degrees, scale, (12, -7)))) > MANY


def test_another_surface_does_not_agree() -> None:
    assert max(agreeing(surface(1), surface(seed)) for seed in range(2, 12)) < FEW
    assert max(agreed(surface(1), surface(seed)).weight for seed in range(2, 12)) < FEW / 2


def test_an_upright_picture_is_found_again_moved_and_nearer() -> None:
    assert agreeing(surface(1), darker(turned(surface(1), 5, 1.1, (9, 4))), upright=True) > MANY


def test_an_upright_picture_that_stands_on_its_head_is_another() -> None:
    assert agreeing(surface(1), turned(surface(1), 180), upright=True) < FEW


def test_blank_views_agree_with_nothing() -> None:
    blank = np.zeros((224, 224, 3), np.uint8)
    assert agreeing(blank, surface(1)) == agreeing(surface(1), blank) == 0


def test_upright_and_free_descriptors_are_not_compared() -> None:
    view = surface(1)
    assert match_keypoints(extract_keypoints(view, upright=True), extract_keypoints(view, upright=False)) == NO_MATCH


def test_counting_is_repeatable() -> None:
    first, second = surface(1), turned(surface(1), 33, 0.9)
    assert len({agreed(first, second) for _ in range(5)}) == 1


def test_matches_are_each_others_nearest_and_clearly_so() -> None:
    probe = np.eye(4, dtype=np.float32)
    candidate = np.array([[0, 1, 0, 0], [0.6, 0, 0.8, 0], [0.62, 0, 0.78, 0]], np.float32)
    candidate /= np.linalg.norm(candidate, axis=1, keepdims=True)
    source, target, ratios = mutual_matches(probe, candidate)
    # row 1 has a twin; row 2 is near two, row 0 is nobody's nearest, row 3 is like nothing
    assert (source.tolist(), target.tolist(), ratios.tolist()) == ([1], [0], [0.0])


def points(positions: np.ndarray, descriptors: np.ndarray, *, upright: bool = True) -> Keypoints:
    return Keypoints(positions.astype(np.float32), np.round(UNIT * descriptors).astype(np.uint8), upright)


@pytest.mark.parametrize(
    ("scale", "degrees", "upright", "believed"),
    [
        pytest.param(0.26, 0, True, True, id="nearly four times smaller"),
        pytest.param(0.24, 0, True, False, id="more than four times smaller"),
        pytest.param(3.9, 0, True, True, id="nearly four times larger"),
        pytest.param(4.1, 0, True, False, id="more than four times larger"),
        pytest.param(1, 29, True, True, id="upright, turned by 29 degrees"),
        pytest.param(1, 31, True, False, id="upright, turned by 31 degrees"),
        pytest.param(1, -29, True, True, id="upright, turned back by 29 degrees"),
        pytest.param(1, -31, True, False, id="upright, turned back by 31 degrees"),
        pytest.param(1, 179, False, True, id="turned by 179 degrees"),
        pytest.param(4.1, 179, False, False, id="turned and too large"),
    ],
)
def test_a_transform_beyond_belief_does_not_count(scale: float, degrees: float, upright: bool, believed: bool) -> None:
    """The same 16 keypoints at places that one exact transform maps."""
    descriptors = np.repeat(np.eye(16), 8, axis=1) / np.sqrt(8)
    places = np.random.default_rng(0).uniform(20, 200, (16, 2))
    matrix = cv2.getRotationMatrix2D((110, 110), degrees, scale)
    moved = places @ matrix[:, :2].T + matrix[:, 2]
    found = match_keypoints(points(places, descriptors, upright=upright), points(moved, descriptors, upright=upright))
    assert found.inliers == (16 if believed else 0)
    assert (found.weight > 0) == believed


@pytest.mark.parametrize(("count", "inliers"), [(2, 0), (3, 3)])
def test_three_matches_are_the_fewest_that_count(count: int, inliers: int) -> None:
    """Of five keypoints of each picture, `count` are the same."""
    descriptors = np.repeat(np.eye(8), 16, axis=1) / np.sqrt(16)
    places = np.array([[20, 30], [180, 50], [90, 200], [40, 160], [150, 150]])
    other = np.concatenate([descriptors[:count], descriptors[5 : 8 - (count - 2)]])
    assert match_keypoints(points(places, descriptors[:5]), points(places[: len(other)], other)).inliers == inliers


@pytest.mark.parametrize(("own", "other"), [(2, 5), (5, 2)])
def test_fewer_than_three_keypoints_agree_with_nothing(own: int, other: int) -> None:
    descriptors, places = np.eye(5, 128), np.array([[20, 30], [180, 50], [90, 200], [40, 160], [150, 150]])
    pair = [points(places[:count], 0.4 * descriptors[:count]) for count in (own, other)]
    assert match_keypoints(*pair) == NO_MATCH


def similar_pair(*, ratio: float, miss: float) -> GeometricMatch:
    """Eight keypoints seen again, each with a second nearest; the first place is missed by so many pixels."""
    rng = np.random.default_rng(0)
    own, other = np.split(np.repeat(np.eye(16), 8, axis=1) / np.sqrt(8), 2)
    far = 0.8
    angles = (2 * np.arcsin(distance / 2) for distance in (ratio * far, far))
    first, second = (own * np.cos(angle) + other * np.sin(angle) for angle in angles)
    places = rng.uniform(20, 200, (8, 2))
    missed = places.copy()
    missed[0, 0] += miss
    elsewhere = rng.uniform(20, 200, (8, 2))
    candidate = points(np.concatenate([missed, elsewhere]), np.concatenate([first, second]))
    return match_keypoints(points(places, own), candidate)


def test_a_match_weighs_what_its_ratio_says() -> None:
    clear, doubtful = similar_pair(ratio=0.5, miss=0.0), similar_pair(ratio=0.8, miss=0.0)
    assert clear.inliers == doubtful.inliers == 8
    assert clear.weight == pytest.approx(8 * -np.log(0.5**2), rel=0.05)
    assert doubtful.weight == pytest.approx(8 * -np.log(0.8**2), rel=0.05)


@pytest.mark.parametrize(("ratio", "inliers"), [(0.84, 8), (0.86, 0)])
def test_a_match_is_clearly_nearer_than_the_second_nearest(ratio: float, inliers: int) -> None:
    assert similar_pair(ratio=ratio, miss=0.0).inliers == inliers


def test_an_inlier_that_misses_its_place_weighs_less() -> None:
    exact, missed = similar_pair(ratio=0.5, miss=0.0), similar_pair(ratio=0.5, miss=TOLERANCE - 1)
    assert missed.inliers == exact.inliers
    assert 7.1 < 8 * missed.weight / exact.weight < 7.6


def test_the_weight_of_two_files_of_one_picture_is_bounded() -> None:
    same = agreed(surface(1), surface(1))
    assert same.inliers > MANY
    assert same.weight < 8 * same.inliers
