from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.identification.calibration import (
    RIVALS,
    log_likelihood_ratios,
    normalise_cosines,
    posterior,
    rival_shift,
    verification_probability,
)
from shared.models.manifest import Calibration

CALIBRATION = Calibration(scale=20.0, offset=-9.0)

FUSED = Calibration(scale=20.0, offset=-14.0, keypoint_worth=3.0, keypoint_chance=10.0)

NORMALISED = CALIBRATION.model_copy(update={"rival_weight": 0.5, "rival_level": -5.0})


def by_cosine(
    similarities: list[float] | np.ndarray, enrolled: int, calibration: Calibration
) -> tuple[np.ndarray, float]:
    """The posterior where no keypoints are compared."""
    return posterior(
        log_likelihood_ratios(similarities, [None] * len(similarities), calibration), enrolled, calibration
    )


cosines = st.lists(st.floats(-1, 1), max_size=20)
calibrations = st.builds(
    Calibration,
    scale=st.floats(0.1, 200),
    offset=st.floats(-200, 200),
    similarity_limit=st.none() | st.floats(0.1, 200),
    size_exponent=st.floats(0, 2),
    rival_weight=st.floats(0, 2),
    rival_level=st.floats(-200, 200),
)
ratios = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


@given(cosines, calibrations, st.integers(0, 10**7))
def test_patients_and_unknown_sum_to_one(similarities: list[float], calibration: Calibration, more: int) -> None:
    probabilities, unknown = by_cosine(similarities, len(similarities) + more, calibration)
    assert probabilities.shape == (len(similarities),)
    assert probabilities.sum() + unknown == pytest.approx(1.0)
    assert np.all((probabilities >= 0) & (probabilities <= 1))


@given(cosines, calibrations)
def test_who_is_more_similar_is_never_less_likely(similarities: list[float], calibration: Calibration) -> None:
    ordered = sorted(similarities)
    probabilities, _ = by_cosine(ordered, len(ordered), calibration)
    assert np.all(np.diff(probabilities) >= 0)


def test_the_level_of_a_probe_is_taken_off_its_cosines() -> None:
    calibration = CALIBRATION.model_copy(update={"cohort_weight": 0.5, "cohort_level": 0.2})
    cosines, levels = [[0.7, 0.3], [0.6, 0.1]], np.array([0.4, 0.1])
    np.testing.assert_allclose(normalise_cosines(cosines, levels, calibration), [[0.6, 0.2], [0.65, 0.15]])
    plain = normalise_cosines(np.array(cosines, np.float32), None, calibration)
    assert plain.dtype == np.float64
    np.testing.assert_array_equal(plain, np.array(cosines, np.float32))


def test_where_nobody_is_enrolled_it_is_nobody() -> None:
    probabilities, unknown = by_cosine([], 0, CALIBRATION)
    assert (len(probabilities), unknown) == (0, 1.0)


def test_a_ratio_of_any_size_has_a_probability() -> None:
    probabilities, unknown = posterior(np.array([800.0, 0.0]), 2, CALIBRATION)
    np.testing.assert_allclose([*probabilities, unknown], [1.0, 0.0, 0.0], atol=1e-12)


def test_it_is_bayes_rule() -> None:
    similarities, enrolled = np.array([0.7, 0.3]), 5
    ratios = np.exp(20.0 * similarities - 9.0) / enrolled
    probabilities, unknown = by_cosine(similarities, enrolled, CALIBRATION)
    np.testing.assert_allclose(probabilities, ratios / (1 + ratios.sum()))
    assert unknown == pytest.approx(1 / (1 + ratios.sum()))


def test_the_same_similarity_means_less_in_a_larger_gallery() -> None:
    confidences = [by_cosine([0.6], enrolled, CALIBRATION)[0][0] for enrolled in (1, 10, 1000, 100_000)]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] > 10 * confidences[-1]


def test_two_who_are_equally_similar_share_the_probability() -> None:
    (first, second), _ = by_cosine([0.9, 0.9], 2, CALIBRATION)
    assert first == second < 0.5


def test_verification_is_identification_among_one() -> None:
    assert verification_probability(0.45, None, CALIBRATION) == pytest.approx(0.5)
    assert verification_probability(0.9, None, CALIBRATION) > 0.99
    assert verification_probability(0.0, None, CALIBRATION) < 0.01


def test_more_matching_keypoints_are_always_better() -> None:
    none, chance, some, many, more = log_likelihood_ratios([0.5] * 5, [0, 3, 10, 60, 120], FUSED)
    assert chance - none < 0.1
    assert some - none == pytest.approx(3 * np.log(2))
    assert more - many == pytest.approx(3 * 4 * np.log(2), rel=1e-3)


def test_keypoints_that_were_not_compared_count_as_none() -> None:
    assert log_likelihood_ratios([0.5], [None], FUSED) == log_likelihood_ratios([0.5], [0], FUSED)


def test_keypoints_can_put_the_second_nearest_first() -> None:
    nearest, second = posterior(log_likelihood_ratios([0.7, 0.6], [2, 40], FUSED), 2, FUSED)[0]
    assert second > 0.9 > nearest


def test_keypoints_verify_a_claim_with_a_doubtful_embedding() -> None:
    assert verification_probability(0.5, 40, FUSED) > 0.99
    assert verification_probability(0.5, 0, FUSED) < 0.1


LIMITED = FUSED.model_copy(update={"similarity_limit": 10.0})


def test_cosines_say_no_more_than_their_limit() -> None:
    """Far below it they say what they would without; at it, half as likely; beyond, hardly anything more."""
    far, at_limit, beyond = log_likelihood_ratios([0.1, 0.5, 1.0], [None] * 3, LIMITED)
    assert far == pytest.approx(log_likelihood_ratios([0.1], [None], FUSED)[0], abs=1e-3)
    assert at_limit == pytest.approx(10.0 - np.log(2) + FUSED.offset)
    assert beyond == pytest.approx(10.0 + FUSED.offset, abs=1e-3)


def test_keypoints_decide_if_both_cosines_exceed_the_limit() -> None:
    scores = [0.9, 0.7], [8, 12]
    assert np.argmax(log_likelihood_ratios(*scores, FUSED)) == 0
    assert np.argmax(log_likelihood_ratios(*scores, LIMITED)) == 1


@given(st.floats(-100, 100), calibrations)
def test_a_gallery_of_one_has_no_cohort(ratio: float, calibration: Calibration) -> None:
    np.testing.assert_array_equal(rival_shift(np.array([ratio]), calibration), [0.0])


@given(cosines)
def test_a_cohort_without_weight_changes_nothing(similarities: list[float]) -> None:
    weightless = CALIBRATION.model_copy(update={"rival_level": 3.0})
    probabilities, unknown = by_cosine(similarities, len(similarities), weightless)
    expected, expected_unknown = by_cosine(similarities, len(similarities), CALIBRATION)
    np.testing.assert_array_equal(probabilities, expected)
    assert unknown == expected_unknown


@given(ratios, calibrations, st.randoms(use_true_random=False))
def test_the_order_of_a_cohort_does_not_matter(values: list[float], calibration: Calibration, random: Random) -> None:
    shuffled = random.sample(values, len(values))
    np.testing.assert_allclose(
        rival_shift(np.array(shuffled), calibration), rival_shift(np.array(values), calibration), atol=1e-9
    )


@given(ratios, calibrations, st.integers(1, 10))
def test_who_is_not_enrolled_is_no_cohort(values: list[float], calibration: Calibration, absent: int) -> None:
    padded = np.array([*values, *[-np.inf] * absent])
    np.testing.assert_allclose(rival_shift(padded, calibration), rival_shift(np.array(values), calibration), atol=1e-9)


def test_several_probes_are_normalised_each_by_its_own_cohort() -> None:
    rows: NDArray[np.float64] = np.random.default_rng(0).normal(size=(4, 9))
    rows[1, 3:] = -np.inf
    together = rival_shift(rows, NORMALISED)
    assert together.shape == (4, 1)
    np.testing.assert_allclose(together, [rival_shift(row, NORMALISED) for row in rows])


def test_the_shift_is_the_level_of_those_behind_the_first() -> None:
    values = np.array([9.0, 4.0, 3.0, 2.0, 1.0, 0.0, -50.0])
    assert len(values) == RIVALS + 2
    assert rival_shift(values, NORMALISED) == pytest.approx(0.5 * (2.0 + 5.0))


def test_a_probe_similar_to_all_patients_is_trusted_less() -> None:
    near, far = [0.6, *[0.4] * 10], [0.6, *[0.1] * 10]
    normalised = [by_cosine(scores, 11, NORMALISED)[0][0] for scores in (near, far)]
    plain = [by_cosine(scores, 11, CALIBRATION)[0][0] for scores in (near, far)]
    assert normalised[0] < normalised[1]
    assert normalised[1] - normalised[0] > plain[1] - plain[0] + 0.1


def test_a_claim_is_judged_without_a_cohort() -> None:
    assert verification_probability(0.5, None, NORMALISED) == verification_probability(0.5, None, CALIBRATION)


REPEATED = FUSED.model_copy(update={"repeat_offset": -4.0})


def local_part(agreeing: int, calibration: Calibration) -> float:
    """What so many keypoints change about the log likelihood ratio."""
    some, none = log_likelihood_ratios([0.5, 0.5], [agreeing, 0], calibration)
    return float(some - none)


def test_few_keypoints_decide_nothing_with_a_repeat_offset() -> None:
    assert local_part(9, FUSED) > 1.3
    assert local_part(9, REPEATED) < 0.1


def test_many_keypoints_are_worth_what_a_repeat_shot_is() -> None:
    """Less the logarithm of the share of repeats, and the offset that none of them is worth."""
    expected = np.logaddexp(0.0, local_part(40, FUSED) - 4.0) - np.logaddexp(0.0, -4.0)
    assert local_part(40, REPEATED) == pytest.approx(expected)
    assert local_part(40, REPEATED) > 7


@given(st.integers(0, 300), st.integers(1, 50))
def test_more_keypoints_are_never_worth_less(agreeing: int, more: int) -> None:
    assert local_part(agreeing + more, REPEATED) >= local_part(agreeing, REPEATED)
