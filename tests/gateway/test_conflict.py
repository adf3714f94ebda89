"""When an answer says that COMPA contradicts the DICOM header."""

from __future__ import annotations

import httpx
import pytest

from shared.contracts.internal import Classification
from tests.gateway.conftest import MODALITIES, System
from tests.gateway.pictures import dicom


def compa(*images: tuple[str, float]) -> httpx.MockTransport:
    """A COMPA that names these labels with these probabilities, one an image; `other` has the rest."""
    labels = [*MODALITIES, "other"]
    rows = [{"other": 1 - probability, label: probability} for label, probability in images]
    answer = Classification(
        model=f"sha256:{'0' * 64}",
        labels=labels,
        probabilities=[[row.get(label, 0.0) for label in labels] for row in rows],
        accepted=[True] * len(images),
        subtypes=[],
    )
    return httpx.MockTransport(lambda _: httpx.Response(200, content=answer.model_dump_json()))


@pytest.mark.parametrize(
    ("images", "conflict"),
    [
        pytest.param([("mri", 1.0)], False, id="sure of the same"),
        pytest.param([("ct", 0.89)], False, id="less than 0.9 sure of another"),
        pytest.param([("ct", 0.9)], True, id="0.9 sure of another"),
        pytest.param([("mri", 1.0), ("mri", 1.0)], False, id="no image in conflict"),
        pytest.param([("mri", 1.0), ("ct", 1.0)], True, id="one of two images in conflict"),
    ],
)
async def test_compa_contradicts_from_a_certainty_of_90_percent(
    system: System, images: list[tuple[str, float]], conflict: bool
) -> None:
    system.switches["compa"].to = compa(*images)
    answer = await system.identify(*(dicom("MR") for _ in images))
    verdict = answer.json()["modality"]
    assert (verdict["label"], verdict["source"], verdict["conflict"]) == ("mri", "dicom", conflict)
