import numpy as np

from shared.models.manifest import Calibration, OperatingPoints
from training.calibration.posterior_eval import CalibratedPosterior
from training.evaluation.operating_point_figures import OperatingPoint, operating_points, point_figures
from training.evaluation.recognition_metrics import Scores

POSTERIOR = CalibratedPosterior(Calibration(scale=1.0, offset=0.0, size_exponent=0.0))


def thresholds(model: OperatingPoints | None, standard: float) -> dict[str, float | None]:
    return {point.name: point.threshold for point in operating_points(model, standard)}


def test_the_points_are_those_that_serve() -> None:
    model = OperatingPoints(strict=0.9606, strict_origin="22 strangers")
    assert thresholds(model, 0.75) == {"strict": 0.9606, "standard": 0.75, "investigation": None}
    assert operating_points(model, 0.75)[0].origin == "22 strangers"


def test_strict_is_never_laxer_than_standard() -> None:
    assert thresholds(OperatingPoints(strict=0.6, strict_origin=""), 0.75)["strict"] == 0.75


def test_a_model_without_a_strict_threshold_has_the_other_points() -> None:
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
