from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.identification.calibration import log_likelihood_ratios
from shared.keypoints.verification import VERIFIED_CANDIDATES
from shared.models.manifest import Calibration
from training.calibration.posterior_eval import Array, CalibratedPosterior
from training.calibration.strict_threshold import (
    COUNTED_FROM,
    STRICT_FPIR,
    choose_points,
    strict_threshold,
    without_patients,
)
from training.engine.validation import TrackScores

PLAIN = Calibration(scale=1.0, offset=0.0, size_exponent=0.0)
"""Similarities are log likelihood ratios."""


def track(similarities: NDArray[np.floating], truth: list[int], agreeing: Array | None = None) -> TrackScores:
    subjects = [f"s{i}" for i in range(similarities.shape[1])]
    counted = None if agreeing is None else agreeing.astype(np.float32)
    return TrackScores("track", subjects, np.array(truth), similarities.astype(np.float32), counted)


def validation(queries: int, people: int = 5, own: float = 4.0) -> TrackScores:
    """Own patients near `own`, others near -4."""
    rng = np.random.default_rng(0)
    ratios = rng.normal(-4, 1, (queries, people))
    truth = np.arange(queries) % people
    ratios[np.arange(queries), truth] = rng.normal(own, 1, queries)
    return track(ratios, truth.tolist())


def share_of_strangers(scored: TrackScores, threshold: float) -> float:
    rows = without_patients(scored).similarities
    tops = [float(CalibratedPosterior(PLAIN)(np.sort(row)[::-1], len(row))[0][0]) for row in rows]
    return float(np.mean(np.array(tops) >= threshold))


def test_a_probe_without_its_patient_is_a_stranger() -> None:
    asked = without_patients(track(np.array([[1.0, 2.0, 3.0]]), [1], agreeing=np.array([[10.0, 20.0, 30.0]])))
    np.testing.assert_array_equal(asked.similarities, [[1.0, 3.0]])
    assert asked.agreeing is not None
    np.testing.assert_array_equal(asked.agreeing, [[10.0, 30.0]])
    np.testing.assert_array_equal(asked.truth, [-1])
    assert without_patients(track(np.ones((1, 2)), [0])).agreeing is None


def test_with_many_strangers_the_threshold_is_counted() -> None:
    many = validation(2 * COUNTED_FROM)
    threshold, origin = strict_threshold([many], PLAIN)
    assert origin == "2000 validation strangers"
    assert share_of_strangers(many, threshold) <= STRICT_FPIR
    assert share_of_strangers(many, threshold - 0.05) > 0


def test_people_without_a_query_are_strangers_too() -> None:
    few = validation(60)
    near = track(9 * np.eye(5) + 7 * np.roll(np.eye(5), 1, axis=1) - 1, [0, 1, 2, 3, 4])  # each has a double
    threshold, origin = strict_threshold([replace(few, outsiders=near)], PLAIN)
    assert origin.startswith("65 validation strangers")
    assert share_of_strangers(near, threshold) == 0.0
    assert share_of_strangers(near, strict_threshold([few], PLAIN)[0]) == 1.0


def test_with_few_strangers_the_threshold_is_extrapolated() -> None:
    few = validation(60)
    threshold, origin = strict_threshold([few], PLAIN)
    assert origin == "60 validation strangers, extrapolated through the calibrated probability"
    assert share_of_strangers(few, threshold) == 0.0


def test_an_extrapolated_threshold_holds_for_new_strangers() -> None:
    """Scores for which the posterior is true: normal, two standard deviations squared apart."""
    rng = np.random.default_rng(1)
    ratios = rng.normal(-2, 2, (300, 2))
    ratios[:, 0] = rng.normal(2, 2, 300)
    threshold, _ = strict_threshold([track(ratios, [0] * 300)], PLAIN)
    unseen = 1 / (1 + np.exp(-rng.normal(-2, 2, 200_000)))
    assert np.mean(unseen >= threshold) == pytest.approx(STRICT_FPIR, abs=0.003)


def test_a_stranger_whose_keypoints_agree_makes_it_stricter() -> None:
    few = validation(60)
    fused = PLAIN.model_copy(update={"keypoint_worth": 2.0})
    agreeing = np.zeros(few.similarities.shape)
    agreeing[0, 1] = 40.0  # query 0 is of subject 0
    told, _ = strict_threshold([track(few.similarities, few.truth.tolist(), agreeing)], fused)
    assert told > strict_threshold([few], fused)[0]
    nearest = float(CalibratedPosterior(fused)(log_likelihood_ratios([few.similarities[0, 1]], [40.0], fused), 4)[0][0])
    assert told > nearest


def test_keypoints_count_only_for_verified_candidates() -> None:
    people = VERIFIED_CANDIDATES + 2
    similarities = np.tile(-4.0 - np.arange(people) / 100, (30, 1))
    agreeing = np.zeros((30, people))
    agreeing[:, -1] = 40.0  # of the farthest
    fused = PLAIN.model_copy(update={"keypoint_worth": 2.0})
    with_them = strict_threshold([track(similarities, [0] * 30, agreeing)], fused)
    assert with_them == strict_threshold([track(similarities, [0] * 30)], fused)


def test_what_is_chosen_says_where_it_comes_from() -> None:
    points = choose_points([validation(60)], PLAIN)
    assert points is not None
    assert (points.strict, points.strict_origin) == strict_threshold([validation(60)], PLAIN)


def test_without_other_people_nothing_is_chosen() -> None:
    assert choose_points([track(np.ones((2, 1)), [0, 0])], PLAIN) is None
    assert choose_points([], PLAIN) is None


def test_a_track_of_one_person_does_not_spoil_the_others() -> None:
    alone = track(np.ones((2, 1)), [0, 0])
    assert choose_points([alone, validation(60)], PLAIN) == choose_points([validation(60)], PLAIN)
