import cv2
import numpy as np
import pytest

from shared.keypoints.extraction import extract_keypoints
from shared.keypoints.packing import pack
from shared.keypoints.verification import VERIFIED_CANDIDATES, CascadeStage, LocalVerifier, build_verifier, largest
from shared.modalities import load_registry
from tests.shared.keypoints.surfaces import darker, surface, turned

VERIFIER = LocalVerifier(upright=False)


def test_the_candidate_that_shows_the_same_surface_agrees() -> None:
    candidates = [[VERIFIER.extract_template(surface(seed))] for seed in (1, 2, 3)]
    (right,), *wrong = VERIFIER.match(VERIFIER.extract_probe([darker(turned(surface(1), 20))]), candidates)
    assert right.inliers > 4 * max(one.inliers for (one,) in wrong)
    assert right.weight > 10 * max(one.weight for (one,) in wrong)


def test_a_candidate_without_a_local_part_is_not_compared() -> None:
    assert VERIFIER.match(VERIFIER.extract_probe([surface(1)]), [()]) == [()]


def test_every_image_of_a_probe_has_its_own_match() -> None:
    candidate = [[VERIFIER.extract_template(surface(1))]]
    alone = [VERIFIER.match(VERIFIER.extract_probe([surface(seed)]), candidate)[0] for seed in (7, 1)]
    (both,) = VERIFIER.match(VERIFIER.extract_probe([surface(7), surface(1)]), candidate)
    assert both == (*alone[0], *alone[1])
    assert (largest(both), largest(())) == (alone[1][0], None)


def test_the_best_image_of_a_candidate_counts() -> None:
    probe, right = VERIFIER.extract_probe([surface(1)]), VERIFIER.extract_template(surface(1))
    alone = VERIFIER.match(probe, [[right]])
    assert VERIFIER.match(probe, [[VERIFIER.extract_template(surface(7)), right]]) == alone


@pytest.mark.parametrize(
    ("images", "compared"), [(1, [0]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (7, [0, 2, 4, 6]), (64, [0, 21, 42, 63])]
)
def test_of_a_long_series_evenly_spread_images_are_compared(images: int, compared: list[int]) -> None:
    """Every image has one keypoint more to the right than the one before."""
    views = np.zeros((images, 160, 200, 3), np.uint8)
    for number, view in enumerate(views):
        cv2.circle(view, (60 + number, 80), 12, (255, 255, 255), -1)
    found = VERIFIER.extract_probe(list(views))
    expected = [VERIFIER.extract_probe([views[number]])[0].positions for number in compared]
    assert len(found) == len(expected)
    for keypoints, positions in zip(found, expected, strict=True):
        np.testing.assert_array_equal(keypoints.positions, positions)


@pytest.mark.parametrize(
    ("further", "compared"), [(0, [3, VERIFIED_CANDIDATES]), (30, [3, VERIFIED_CANDIDATES, VERIFIED_CANDIDATES + 30])]
)
def test_each_round_compares_more_candidates(further: int, compared: list[int]) -> None:
    assert [one.candidates for one in LocalVerifier(upright=True, further=further).stages] == compared


@pytest.mark.parametrize(("top", "ended"), [(0.0, 2), (0.49, 2), (0.5, 1), (0.9999, 1), (0.9999999, 0), (1.0, 0)])
def test_a_likelier_first_candidate_ends_the_cascade_sooner(top: float, ended: int) -> None:
    assert [one.stops(top) for one in LocalVerifier(upright=True, further=30).stages].index(True) == ended


def test_the_last_round_ends_by_itself() -> None:
    assert CascadeStage(7).stops(0.0)


def test_the_registry_switches_it_per_modality() -> None:
    modality = load_registry()["skin"].model_copy(update={"further_candidates": 7})
    verifier = build_verifier(modality)
    assert verifier is not None
    assert verifier.stages[-1].candidates == VERIFIED_CANDIDATES + 7
    assert build_verifier(modality.model_copy(update={"local_verification": False})) is None


def test_keypoints_are_searched_at_the_registrys_size() -> None:
    entry = load_registry()["ct"].model_copy(update={"keypoint_size": 160, "local_verification": True})
    verifier = build_verifier(entry)
    assert verifier is not None
    expected = extract_keypoints(surface(1), upright=entry.upright, size=160)
    assert verifier.extract_template(surface(1)) == pack(expected)
    np.testing.assert_array_equal(verifier.extract_probe([surface(1)])[0].descriptors, expected.descriptors)
