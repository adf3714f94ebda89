"""What COMPA's verdict does to an image whose modality is stated by a DICOM header or by the caller."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.conftest import System
from tests.gateway.pictures import classifying, dicom, png


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
    system.switches["compa"].to = classifying(*images)
    answer = await system.identify(*(dicom("MR") for _ in images))
    verdict = answer.json()["modality"]
    assert (verdict["label"], verdict["source"], verdict["conflict"]) == ("mri", "dicom", conflict)


async def asked(system: System, endpoint: str, files: list[bytes], fields: dict[str, str]) -> httpx.Response:
    """The answer of an endpoint that takes images; it does not accept any image."""
    fields = {**fields, "accept_any": "false"}
    if endpoint == "verify":
        return await system.verify(*files, patient_id="P-1", **fields)
    ask = system.identify(*files, **fields) if endpoint == "identify" else system.enrol("P-1", *files, **fields)
    return await ask


STATED = [
    pytest.param([dicom("CT")], {}, id="by the header"),
    pytest.param([png()], {"modality": "ct"}, id="by the caller"),
]


@pytest.mark.parametrize("endpoint", ["identify", "verify", "enrol"])
@pytest.mark.parametrize(("files", "fields"), STATED)
async def test_a_stated_modality_does_not_undo_a_refusal(
    system: System, files: list[bytes], fields: dict[str, str], endpoint: str
) -> None:
    await system.enrol("P-1", *files, modality="ct")
    before = (await system.get("/v1/patients/P-1")).json()["images"]
    system.switches["compa"].to = classifying(("other", 1.0))
    answer = await asked(system, endpoint, files, fields)
    assert (answer.status_code, answer.json()["probabilities"]["other"]) == (422, 1.0)
    assert (await system.get("/v1/patients/P-1")).json()["images"] == before


@pytest.mark.parametrize(("files", "fields"), STATED)
@pytest.mark.parametrize(("probability", "named"), [(0.89, True), (0.9, False)])
async def test_an_image_of_another_modality_names_no_patient(
    system: System, files: list[bytes], fields: dict[str, str], probability: float, named: bool
) -> None:
    await system.enrol("P-1", *files, modality="ct")
    system.switches["compa"].to = classifying(("mri", probability))
    identified, verified, enrolled = [
        (await asked(system, endpoint, files, fields)).json() for endpoint in ("identify", "verify", "enrol")
    ]
    expected = ("identified", "P-1") if named else ("candidates", None)
    assert (identified["decision"], identified["patient_id"]) == expected
    assert identified["candidates"][0]["patient_id"] == "P-1"
    assert verified["match"] is named
    assert enrolled.get("status", 201) == (201 if named else 422)
    assert identified["modality"]["conflict"] is not named


async def test_refused_images_of_a_series_are_left_out_and_listed(system: System) -> None:
    await system.enrol("P-1", png(1), modality="skin")
    system.switches["compa"].to = classifying(("other", 1.0), ("skin", 1.0))
    several = (await system.identify(png(2), png(1), accept_any="false")).json()
    system.switches["compa"].to = classifying(("skin", 1.0))
    alone = (await system.identify(png(1), accept_any="false")).json()
    support = {"patient_id": "P-1", "confidence": alone["confidence"]}
    assert several["images"] == [
        {"index": 0, "modality": None, "accepted": False, "patient_id": None, "confidence": 0.0},
        {"index": 1, "modality": "skin", "accepted": True, **support},
    ]
    assert several["candidates"] == alone["candidates"]


async def test_a_series_with_a_refused_image_is_not_enrolled(system: System) -> None:
    system.switches["compa"].to = classifying(("skin", 1.0), ("other", 1.0))
    answer = await system.enrol("P-1", png(1), png(2), accept_any="false")
    assert (answer.status_code, answer.json()["detail"][:15]) == (422, "Image 2 of 2: T")
    assert (await system.get("/v1/patients/P-1")).status_code == 404


@pytest.mark.parametrize("scopes", ["identify", "enrol", "verify"])
async def test_accepting_any_image_needs_the_scope_admin(system: System, scopes: str) -> None:
    answer = await system.client.post(
        {"identify": "/v1/identify", "enrol": "/v1/patients/P-1/images", "verify": "/v1/verify"}[scopes],
        files=[("file", ("image", png()))],
        data={"accept_any": "true", "modality": "ct", **({"patient_id": "P-1"} if scopes == "verify" else {})},
        headers=system.headers(scopes),
    )
    assert (answer.status_code, "accept_any" in answer.json()["detail"]) == (403, True)
