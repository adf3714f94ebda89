"""A probe of several images names a patient only if its images agree."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from shared.contracts.internal import CandidateMessage, IdentifyAnswer, ImageEvidence
from tests.gateway.conftest import System
from tests.gateway.pictures import png

DIGEST = f"sha256:{'0' * 64}"


def finding(patient: str, probability: float, images: Sequence[tuple[str, float]]) -> httpx.MockTransport:
    """A service that finds a patient by all images together, and by each image alone."""
    answer = IdentifyAnswer(
        model=DIGEST,
        enrolled_patients=3,
        matches=[CandidateMessage(patient_id=patient, image_id="I", similarity=0.9, probability=probability)],
        unknown_probability=1 - probability,
        images=[ImageEvidence(patient_id=who, probability=p, unknown_probability=1 - p) for who, p in images],
    )
    return httpx.MockTransport(lambda _: httpx.Response(200, content=answer.model_dump_json()))


@pytest.mark.parametrize(
    ("probability", "images", "decision", "consistent"),
    [
        pytest.param(0.9, [("P-1", 0.9), ("P-1", 0.6)], "identified", True, id="both support the patient"),
        pytest.param(1.0, [("P-1", 1.0), ("P-1", 0.1)], "candidates", False, id="one image alone"),
        pytest.param(0.9, [("P-1", 0.9), ("P-2", 0.9)], "candidates", False, id="two patients"),
        pytest.param(0.1, [("P-1", 0.9), ("P-2", 0.9)], "candidates", False, id="two patients, together unknown"),
        pytest.param(0.1, [("P-1", 0.1), ("P-2", 0.1)], "unknown", True, id="a stranger"),
        pytest.param(1.0, [], "candidates", False, id="a service of the version before"),
    ],
)
async def test_images_of_one_probe_must_agree(
    system: System, probability: float, images: list[tuple[str, float]], decision: str, consistent: bool
) -> None:
    system.switches["ct"].to = finding("P-1", probability, images)
    answer = (await system.identify(png(1), png(2), modality="ct")).json()
    assert (answer["decision"], answer["consistent"]) == (decision, consistent)
    assert answer["patient_id"] == ("P-1" if decision == "identified" else None)
    assert answer["candidates"][0]["patient_id"] == "P-1"


async def test_the_answer_says_whom_each_image_supports(system: System) -> None:
    system.switches["ct"].to = finding("P-1", 0.9, [("P-1", 0.9), ("P-2", 0.3)])
    answer = (await system.identify(png(1), png(2), modality="ct")).json()
    assert [(one["patient_id"], one["confidence"]) for one in answer["images"]] == [("P-1", 0.9), (None, 0.3)]


@pytest.mark.parametrize("probability", [0.9, 0.1])
async def test_a_single_image_needs_no_other(system: System, probability: float) -> None:
    system.switches["ct"].to = finding("P-1", probability, [])
    answer = (await system.identify(png(1), modality="ct")).json()
    (image,) = answer["images"]
    assert (answer["decision"] == "identified", answer["consistent"]) == (probability == 0.9, True)
    assert (image["patient_id"], image["confidence"]) == ("P-1" if probability == 0.9 else None, probability)


async def test_an_investigation_has_no_threshold_to_disagree_at(system: System) -> None:
    system.switches["ct"].to = finding("P-1", 0.9, [("P-1", 0.9), ("P-2", 0.9)])
    answer = (await system.identify(png(1), png(2), modality="ct", operating_point="investigation")).json()
    assert (answer["decision"], answer["consistent"]) == ("candidates", True)


async def test_evidence_of_another_number_of_images_is_no_answer(system: System) -> None:
    system.switches["ct"].to = finding("P-1", 0.9, [("P-1", 0.9)] * 3)
    assert (await system.identify(png(1), png(2), modality="ct")).status_code == 502
