import pytest

from shared.contracts.internal import ImageEvidence
from shared.contracts.public import Decision
from shared.identification.decision import decide, images_agree, supported_patient


@pytest.mark.parametrize(
    ("top", "unknown", "decision"),
    [
        (None, 1.0, "unknown"),
        (0.75, 0.2, "identified"),
        (0.749, 0.2, "candidates"),
        (0.4, 0.399, "candidates"),
        (0.4, 0.4, "unknown"),
        (0.3, 0.45, "unknown"),
        (0.0, 1.0, "unknown"),
    ],
)
def test_the_decision_of_the_default_threshold(top: float | None, unknown: float, decision: Decision) -> None:
    assert decide(top, unknown, 0.75) == decision


def test_a_low_threshold_identifies_if_unknown_is_likelier() -> None:
    assert decide(0.3, 0.6, 0.3) == "identified"


@pytest.mark.parametrize(
    ("top", "unknown", "decision"),
    [(None, 1.0, "unknown"), (1.0, 0.0, "candidates"), (0.4, 0.5, "candidates"), (0.0, 1.0, "candidates")],
)
def test_without_a_threshold_all_are_candidates(top: float | None, unknown: float, decision: Decision) -> None:
    assert decide(top, unknown, None) == decision


def image(patient: str | None, probability: float) -> ImageEvidence:
    """An image that shows the patient with this probability, or else somebody who is not enrolled."""
    return ImageEvidence(patient_id=patient, probability=probability, unknown_probability=1 - probability)


@pytest.mark.parametrize(("probability", "supported"), [(0.51, "P"), (0.5, None), (0.0, None)])
def test_an_image_supports_a_patient_likelier_than_unknown(probability: float, supported: str | None) -> None:
    assert supported_patient(image("P", probability)) == supported
    assert supported_patient(image(None, 0.0)) is None


@pytest.mark.parametrize(
    ("images", "agree"),
    [
        pytest.param([("P", 0.9), ("P", 0.6)], True, id="two support the patient"),
        pytest.param([("P", 1.0), ("P", 0.5)], False, id="one supports the patient"),
        pytest.param([("P", 1.0), ("Q", 0.6)], False, id="a weak one of somebody else is no support"),
        pytest.param([("P", 0.9), ("P", 0.9), ("Q", 0.74)], True, id="a third one is unsure"),
        pytest.param([("P", 0.9), ("P", 0.9), ("Q", 0.75)], False, id="a third one names somebody else"),
        pytest.param([(None, 0.0), (None, 0.0)], False, id="no evidence"),
    ],
)
def test_a_name_needs_two_images_and_no_contradiction(images: list[tuple[str | None, float]], agree: bool) -> None:
    assert images_agree([image(*one) for one in images], "identified", "P", 0.75) is agree


@pytest.mark.parametrize("decision", ["candidates", "unknown"])
@pytest.mark.parametrize(
    ("images", "agree"),
    [
        pytest.param([("Q", 0.4), ("R", 0.3)], True, id="none names anybody"),
        pytest.param([("Q", 1.0), ("R", 0.7)], True, id="one names a patient"),
        pytest.param([("Q", 0.75), ("R", 0.75)], False, id="two name two patients"),
    ],
)
def test_two_images_of_two_patients_never_agree(
    decision: Decision, images: list[tuple[str | None, float]], agree: bool
) -> None:
    assert images_agree([image(*one) for one in images], decision, "P", 0.75) is agree
