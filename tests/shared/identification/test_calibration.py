import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identification.calibration import posterior, verification_probability
from shared.models.folder import Calibration

CALIBRATION = Calibration(scale=20.0, offset=-9.0)

cosines = st.lists(st.floats(-1, 1), max_size=20)
calibrations = st.builds(
    Calibration, scale=st.floats(0.1, 200), offset=st.floats(-200, 200), size_exponent=st.floats(0, 2)
)


@given(cosines, calibrations, st.integers(0, 10**7))
def test_everybody_and_nobody_sum_to_one(similarities: list[float], calibration: Calibration, more: int) -> None:
    probabilities, unknown = posterior(similarities, len(similarities) + more, calibration)
    assert probabilities.shape == (len(similarities),)
    assert probabilities.sum() + unknown == pytest.approx(1.0)
    assert np.all((probabilities >= 0) & (probabilities <= 1))


@given(cosines, calibrations)
def test_who_is_more_similar_is_never_less_likely(similarities: list[float], calibration: Calibration) -> None:
    ordered = sorted(similarities)
    probabilities, _ = posterior(ordered, len(ordered), calibration)
    assert np.all(np.diff(probabilities) >= 0)


def test_where_nobody_is_enrolled_it_is_nobody() -> None:
    probabilities, unknown = posterior([], 0, CALIBRATION)
    assert (len(probabilities), unknown) == (0, 1.0)


def test_it_is_bayes_rule() -> None:
    similarities, enrolled = np.array([0.7, 0.3]), 5
    ratios = np.exp(20.0 * similarities - 9.0) / enrolled
    probabilities, unknown = posterior(similarities, enrolled, CALIBRATION)
    np.testing.assert_allclose(probabilities, ratios / (1 + ratios.sum()))
    assert unknown == pytest.approx(1 / (1 + ratios.sum()))


def test_the_same_similarity_means_less_in_a_larger_gallery() -> None:
    confidences = [posterior([0.6], enrolled, CALIBRATION)[0][0] for enrolled in (1, 10, 1000, 100_000)]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] > 10 * confidences[-1]


def test_two_who_are_equally_similar_share_the_probability() -> None:
    (first, second), _ = posterior([0.9, 0.9], 2, CALIBRATION)
    assert first == second < 0.5


def test_verification_is_identification_among_one() -> None:
    assert verification_probability(0.45, CALIBRATION) == pytest.approx(0.5)
    assert verification_probability(0.9, CALIBRATION) > 0.99
    assert verification_probability(0.0, CALIBRATION) < 0.01
