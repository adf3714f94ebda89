import numpy as np
import pytest

from shared.models.folder import Calibration
from training.evaluation.decisions import CalibratedPosterior
from training.evaluation.metrics import Scores
from training.evaluation.points import (
    ENOUGH,
    STRICT_FPIR,
    OperatingPoint,
    operating_points,
    point_figures,
    strict_threshold,
    without_patients,
)

POSTERIOR = CalibratedPosterior(Calibration(scale=1.0, offset=0.0, size_exponent=0.0))


def validation(queries: int, people: int = 5, own: float = 4.0) -> Scores:
    """Log likelihood ratios: own patients near `own`, others near -4."""
    rng = np.random.default_rng(0)
    ratios = rng.normal(-4, 1, (queries, people))
    truth = np.arange(queries) % people
    ratios[np.arange(queries), truth] = rng.normal(own, 1, queries)
    return Scores(ratios, np.empty((0, people)), truth, [f"s{t}" for t in truth], [])


def share_of_strangers(scores: Scores, threshold: float) -> float:
    tops = [float(POSTERIOR(np.sort(row)[::-1], len(row))[0][0]) for row in without_patients(scores)]
    return float(np.mean(np.array(tops) >= threshold))


def test_every_probe_is_a_stranger_where_its_patient_is_taken_out() -> None:
    one = Scores(np.array([[1.0, 2.0, 3.0]]), np.empty((0, 3)), np.array([1]), ["a"], [])
    np.testing.assert_array_equal(without_patients(one), [[1.0, 3.0]])


def test_with_many_strangers_the_threshold_is_counted() -> None:
    many = validation(2 * ENOUGH)
    threshold, origin = strict_threshold([many], POSTERIOR)
    assert origin == "2000 validation strangers"
    assert share_of_strangers(many, threshold) <= STRICT_FPIR
    assert share_of_strangers(many, threshold - 0.05) > 0


def test_with_few_strangers_it_is_extrapolated_and_no_laxer_than_what_was_seen() -> None:
    few = validation(60)
    threshold, origin = strict_threshold([few], POSTERIOR)
    assert "60 validation strangers, extrapolated through the calibrated probability" in origin
    assert share_of_strangers(few, threshold) == 0.0


def test_an_extrapolated_threshold_holds_for_strangers_who_were_not_seen() -> None:
    """Scores for which the posterior is true: normal, two standard deviations squared apart."""
    rng = np.random.default_rng(1)
    ratios = rng.normal(-2, 2, (300, 2))
    ratios[:, 0] = rng.normal(2, 2, 300)
    threshold, _ = strict_threshold([Scores(ratios, np.empty((0, 2)), np.zeros(300, int), ["a"] * 300, [])], POSTERIOR)
    unseen = 1 / (1 + np.exp(-rng.normal(-2, 2, 200_000)))
    assert np.mean(unseen >= threshold) == pytest.approx(STRICT_FPIR, abs=0.003)


def test_strict_is_never_laxer_than_standard() -> None:
    points = {point.name: point for point in operating_points([validation(60, own=9.0)], POSTERIOR, 0.75)}
    assert list(points) == ["strict", "standard", "investigation"]
    assert points["strict"].threshold is not None
    assert 0.75 <= points["strict"].threshold < 1.0
    assert (points["standard"].threshold, points["investigation"].threshold) == (0.75, None)


def test_without_other_people_nothing_can_be_chosen() -> None:
    alone = Scores(np.ones((2, 1)), np.empty((0, 1)), np.zeros(2, int), ["a", "a"], [])
    with pytest.raises(ValueError, match="validation tracks with two patients or more"):
        strict_threshold([alone], POSTERIOR)


TEST = Scores(
    queries=np.array(
        [[3.0, -9.0, -9.0, -9.0], [0.2, 0.1, -9.0, -9.0], [-9.0, -8.0, -9.0, -9.5], [5.0, -9.0, 1.0, -9.0]]
    ),
    impostors=np.array([[2.0, -9.0, -9.0, -9.0], [-9.0, -9.0, -9.0, -9.0]]),
    truth=np.array([0, 1, 3, 2]),
    query_subjects=["a", "b", "d", "c"],
    impostor_subjects=["x", "y"],
)
"""Found surely; second of two candidates; unknown and last; taken for somebody else with certainty."""


def test_a_threshold_identifies_and_lists_candidates() -> None:
    figures = point_figures(TEST, POSTERIOR, OperatingPoint("standard", 0.75, ""))
    assert figures.identified_rightly.value == 0.25
    assert figures.identified_wrongly.value == 0.25
    assert figures.patient_shown.value == 0.5
    assert figures.impostors_identified is not None
    assert figures.impostors_identified.value == 0.5


def test_an_investigation_identifies_nobody_and_always_shows_three() -> None:
    figures = point_figures(TEST, POSTERIOR, OperatingPoint("investigation", None, ""))
    assert (figures.identified_rightly.value, figures.identified_wrongly.value) == (0.0, 0.0)
    assert figures.patient_shown.value == 0.75
    assert figures.impostors_shown is not None
    assert figures.impostors_shown.value == 1.0


def test_without_impostors_nothing_is_said_of_them() -> None:
    alone = Scores(TEST.queries, np.empty((0, 4)), TEST.truth, TEST.query_subjects, [])
    figures = point_figures(alone, POSTERIOR, OperatingPoint("standard", 0.75, ""))
    assert figures.impostors_identified is None
    assert figures.impostors_shown is None
