import numpy as np
import pytest

from shared.keypoints.extraction import extract_keypoints
from shared.keypoints.geometry import count_inliers, mutual_matches
from tests.shared.keypoints.surfaces import darker, surface, turned

MANY = 30
FEW = 8


def agreeing(first: np.ndarray, second: np.ndarray, *, upright: bool = False) -> int:
    return count_inliers(extract_keypoints(first, upright=upright), extract_keypoints(second, upright=upright))


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (15, 1.1), (170, 0.8), (60, 1.4)])
def test_the_same_surface_is_found_again_turned_nearer_and_in_other_light(degrees: float, scale: float) -> None:
    assert agreeing(surface(1), darker(turned(surface(1), degrees, scale, (12, -7)))) > MANY


def test_another_surface_does_not_agree() -> None:
    assert max(agreeing(surface(1), surface(seed)) for seed in range(2, 12)) < FEW


def test_an_upright_picture_is_found_again_moved_and_nearer() -> None:
    assert agreeing(surface(1), darker(turned(surface(1), 5, 1.1, (9, 4))), upright=True) > MANY


def test_an_upright_picture_that_stands_on_its_head_is_another() -> None:
    assert agreeing(surface(1), turned(surface(1), 180), upright=True) < FEW


def test_a_change_of_scale_beyond_belief_does_not_count() -> None:
    assert agreeing(surface(1), turned(surface(1), 0, 0.15)) < FEW


def test_blank_views_agree_with_nothing() -> None:
    blank = np.zeros((224, 224, 3), np.uint8)
    assert agreeing(blank, surface(1)) == agreeing(surface(1), blank) == 0


def test_upright_and_free_descriptors_are_not_compared() -> None:
    view = surface(1)
    assert count_inliers(extract_keypoints(view, upright=True), extract_keypoints(view, upright=False)) == 0


def test_counting_is_repeatable() -> None:
    first, second = surface(1), turned(surface(1), 33, 0.9)
    assert len({agreeing(first, second) for _ in range(5)}) == 1


def test_matches_are_each_others_nearest_and_clearly_so() -> None:
    probe = np.eye(4, dtype=np.float32)
    candidate = np.array([[0, 1, 0, 0], [0.6, 0, 0.8, 0], [0.62, 0, 0.78, 0]], np.float32)
    candidate /= np.linalg.norm(candidate, axis=1, keepdims=True)
    source, target = mutual_matches(probe, candidate)
    # row 1 has a twin; row 2 is near two, row 0 is nobody's nearest, row 3 is like nothing
    assert (source.tolist(), target.tolist()) == ([1], [0])
