import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identification.calibration import evidence, posterior, verification_probability
from shared.models.folder import Calibration

CALIBRATION = Calibration(scale=20.0, offset=-9.0)

FUSED = Calibration(scale=20.0, offset=-14.0, inlier_weight=12.0, inlier_half=10.0)


def by_cosine(
    similarities: list[float] | np.ndarray, enrolled: int, calibration: Calibration
) -> tuple[np.ndarray, float]:
    """The posterior where no keypoints are compared."""
    return posterior(evidence(similarities, [None] * len(similarities), calibration), enrolled, calibration)


cosines = st.lists(st.floats(-1, 1), max_size=20)
calibrations = st.builds(
    Calibration, scale=st.floats(0.1, 200), offset=st.floats(-200, 200), size_exponent=st.floats(0, 2)
)


@given(cosines, calibrations, st.integers(0, 10**7))
def test_everybody_and_nobody_sum_to_one(similarities: list[float], calibration: Calibration, more: int) -> None:
    probabilities, unknown = by_cosine(similarities, len(similarities) + more, calibration)
    assert probabilities.shape == (len(similarities),)
    assert probabilities.sum() + unknown == pytest.approx(1.0)
    assert np.all((probabilities >= 0) & (probabilities <= 1))


@given(cosines, calibrations)
def test_who_is_more_similar_is_never_less_likely(similarities: list[float], calibration: Calibration) -> None:
    ordered = sorted(similarities)
    probabilities, _ = by_cosine(ordered, len(ordered), calibration)
    assert np.all(np.diff(probabilities) >= 0)


def test_where_nobody_is_enrolled_it_is_nobody() -> None:
    probabilities, unknown = by_cosine([], 0, CALIBRATION)
    assert (len(probabilities), unknown) == (0, 1.0)


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


def test_few_keypoints_agree_by_chance_and_many_say_no_more_than_enough() -> None:
    none, chance, half, many, more = evidence([0.5] * 5, [0, 2, 10, 60, 300], FUSED)
    assert none < chance < half < many < more
    assert chance - none < 0.5
    assert half - none == pytest.approx(6.0)
    assert more - many < 0.5


def test_where_no_keypoints_were_compared_it_counts_as_none_that_agree() -> None:
    assert evidence([0.5], [None], FUSED) == evidence([0.5], [0], FUSED)


def test_keypoints_can_put_the_second_nearest_first() -> None:
    nearest, second = posterior(evidence([0.7, 0.6], [2, 40], FUSED), 2, FUSED)[0]
    assert second > 0.9 > nearest


def test_keypoints_verify_a_claim_that_the_embedding_leaves_open() -> None:
    assert verification_probability(0.5, 40, FUSED) > 0.99
    assert verification_probability(0.5, 0, FUSED) < 0.1
