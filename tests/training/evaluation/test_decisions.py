from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from shared.models.manifest import Calibration, OperatingPoints
from training.calibration.posterior_eval import CalibratedPosterior
from training.evaluation.bootstrap import Array
from training.evaluation.decisions import (
    OperatingPoint,
    calibration_errors,
    decisions,
    errors_if_true,
    operating_points,
    point_figures,
)
from training.evaluation.recognition_metrics import Scores

POSTERIOR = CalibratedPosterior(Calibration(scale=1.0, offset=0.0, size_exponent=0.0))
SCALE, EVEN = 20.0, 0.5
"""Scores are log likelihood ratios: those of a cosine that says nothing at 0.5."""


def scores(queries: list[list[float]], impostors: list[list[float]], truth: list[int]) -> Scores:
    """Of cosines."""
    return Scores(
        SCALE * (np.array(queries, float) - EVEN),
        SCALE * (np.array(impostors, float).reshape(len(impostors), len(queries[0])) - EVEN),
        np.array(truth),
        [f"q{t}" for t in truth],
        [f"i{n}" for n in range(len(impostors))],
    )


def test_decisions_are_those_of_the_serving_rule() -> None:
    decided = decisions(
        scores(
            queries=[[0.9, 0.1], [0.9, 0.2], [0.55, 0.1], [0.1, 0.2]],  # right, wrong, between, nobody
            impostors=[[0.9, 0.1], [0.1, 0.1]],
            truth=[0, 1, 0, 1],
        ),
        POSTERIOR,
        threshold=0.75,
    )
    shares = (decided.identified_rightly, decided.identified_wrongly, decided.candidates, decided.unknown)
    assert [share.value for share in shares] == [0.25] * 4
    assert decided.right_in_top3_where_not_identified is not None
    assert decided.right_in_top3_where_not_identified.value == 1.0
    strangers = (decided.impostors_identified, decided.impostors_unknown)
    assert [share.value for share in strangers if share] == [0.5, 0.5]


def test_impostors_count_half_in_the_calibrated_mixture() -> None:
    decided = decisions(scores([[0.99, 0.1]] * 9, [[0.99, 0.1]], [0] * 9), POSTERIOR, 0.75)
    assert decided.ece.value < 0.01
    assert decided.ece_as_calibrated is not None
    assert decided.ece_as_calibrated.value == pytest.approx(0.5, abs=0.01)


def test_shares_of_empty_groups_are_absent() -> None:
    figures = decisions(scores([[0.99, 0.1]], [], [0]), POSTERIOR, 0.75).figures()
    absent = {name for name, value in figures.items() if value is None}
    assert absent == {
        "right_in_top3_where_not_identified",
        "ece_as_calibrated",
        "ece_as_calibrated_if_true",
        "impostors_identified",
        "impostors_unknown",
    }


def error(confidences: list[float], correct: list[bool]) -> float:
    return float(calibration_errors(np.array(confidences), np.array(correct), np.ones((1, len(correct))))[0])


def test_confidence_that_comes_true_has_no_calibration_error() -> None:
    assert error([0.75] * 4, [True, True, True, False]) == 0.0


def test_the_calibration_error_weighs_bins_by_their_size() -> None:
    assert error([1.0, 1.0, 1.0, 0.0], [True, True, False, False]) == pytest.approx(3 / 4 * 1 / 3)


def test_few_probes_have_an_error_even_if_calibrated() -> None:
    """Of four probes in a bin with 0.5, the share of right ones is 0, 1, 2, 3 or 4 quarters: 3/16 off on average."""
    few, many = (errors_if_true(np.full(n, 0.5), np.ones(n), seed=0) for n in (4, 4000))
    assert few.value == pytest.approx(3 / 16, abs=0.02)
    assert (few.low, few.high) == (0.0, 0.5)
    assert many.high < 0.02


def test_calibrated_confidences_lie_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    confidences = rng.random(200)
    true = errors_if_true(confidences, np.ones(200), seed=1)
    assert true.low < error(confidences.tolist(), (rng.random(200) < confidences).tolist()) < true.high
    assert error(confidences.tolist(), (rng.random(200) < confidences**3).tolist()) > true.high


def test_probes_without_weight_do_not_count() -> None:
    alone = errors_if_true(np.full(4, 0.5), np.ones(4), seed=0)
    padded = errors_if_true(np.append(np.full(4, 0.5), np.full(50, 0.9)), np.append(np.ones(4), np.zeros(50)), seed=0)
    assert padded.value == pytest.approx(alone.value, abs=0.02)


def test_any_score_works_with_its_own_posterior() -> None:
    ratios = scores([[0.9, 0.1], [0.55, 0.1]], [[0.3, 0.2]], [0, 1])
    cosines = replace(ratios, queries=ratios.queries / SCALE + EVEN, impostors=ratios.impostors / SCALE + EVEN)

    def of_cosines(scores: Array, enrolled: int) -> tuple[Array, float]:
        return POSTERIOR(SCALE * (scores - EVEN), enrolled)

    one, other = decisions(cosines, of_cosines, 0.75), decisions(ratios, POSTERIOR, 0.75)
    assert one.confidences == pytest.approx(other.confidences)
    assert (one.identified_rightly, one.impostors_unknown) == (other.identified_rightly, other.impostors_unknown)


def thresholds(model: OperatingPoints | None, standard: float) -> dict[str, float | None]:
    return {point.name: point.threshold for point in operating_points(model, standard)}


def test_the_points_are_those_that_serve() -> None:
    model = OperatingPoints(strict=0.9606, strict_origin="22 strangers")
    assert thresholds(model, 0.75) == {"strict": 0.9606, "standard": 0.75, "investigation": None}
    assert operating_points(model, 0.75)[0].origin == "22 strangers"


def test_strict_is_never_laxer_than_standard() -> None:
    assert thresholds(OperatingPoints(strict=0.6, strict_origin=""), 0.75)["strict"] == 0.75


def test_a_model_may_lack_the_strict_point() -> None:
    assert thresholds(None, 0.75) == {"standard": 0.75, "investigation": None}


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


def test_an_investigation_only_lists_candidates() -> None:
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


PROBES, SUBJECTS = 5, 4
SIMILARITIES = arrays.arrays(np.float64, (PROBES, SUBJECTS), elements=st.floats(-1, 1, width=16))
TRUTH = st.lists(st.integers(0, SUBJECTS - 1), min_size=PROBES, max_size=PROBES)


@settings(deadline=None, max_examples=20)
@given(SIMILARITIES, TRUTH)
def test_decisions_share_out_every_query(similarities: np.ndarray, truth: list[int]) -> None:
    d = decisions(scores(similarities.tolist(), [], truth), POSTERIOR, 0.75)
    shares = (d.identified_rightly, d.identified_wrongly, d.candidates, d.unknown)
    assert sum(share.value for share in shares) == pytest.approx(1.0)
    assert 0.0 <= d.ece.value <= 1.0
