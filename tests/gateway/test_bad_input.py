"""Every row of the bad-input table of the contract, and what must not be in an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.database.pool import Database
from shared.modalities import load_registry
from tests.gateway.conftest import Start, System
from tests.gateway.pictures import as_format, classifying, dicom, huge_png, plain_png, png


def slug(response: httpx.Response) -> str:
    """The problem's type, once its form is checked."""
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= set(problem)
    assert problem["status"] == response.status_code
    return str(problem["type"]).removeprefix("/docs/problems/")


async def test_no_file(system: System) -> None:
    answer = await system.client.post("/v1/identify", data={"modality": "ct"}, headers=system.headers())
    assert (answer.status_code, slug(answer)) == (422, "invalid-input")


async def test_an_empty_file(system: System) -> None:
    answer = await system.identify(b"", modality="ct")
    assert (answer.status_code, slug(answer)) == (422, "invalid-input")


async def test_too_many_files(system: System) -> None:
    answer = await system.identify(*[b"x"] * 65, modality="ct")
    assert (answer.status_code, slug(answer)) == (422, "invalid-input")


@pytest.mark.parametrize(
    "fields",
    [
        {"modality": "ultrasound"},
        {"top_k": "0"},
        {"top_k": "11"},
        {"top_k": "three"},
        {"threshold": "-0.1"},
        {"threshold": "1.5"},
        {"threshold": "nan"},
        {"treshold": "0.5"},
    ],
)
async def test_an_unknown_field_or_a_bad_value(system: System, fields: dict[str, str]) -> None:
    answer = await system.identify(png(), **fields)
    assert (answer.status_code, slug(answer)) == (422, "invalid-input")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"this is no image", id="text"),
        pytest.param(bytes(range(256)) * 4, id="bytes"),
        pytest.param(png()[:200], id="truncated png"),
        pytest.param(as_format("JPEG")[:300], id="truncated jpeg"),
        pytest.param(dicom()[:400], id="truncated dicom"),
        pytest.param(dicom(pixels=False), id="dicom without pixels"),
    ],
)
async def test_bytes_that_are_no_readable_image(system: System, data: bytes) -> None:
    answer = await system.identify(data, modality="ct")
    assert (answer.status_code, slug(answer)) == (422, "unreadable-image")


@pytest.mark.parametrize("modality", load_registry().names)
async def test_a_blank_image(system: System, modality: str) -> None:
    answer = await system.identify(plain_png(), modality=modality)
    assert (answer.status_code, slug(answer)) == (422, "blank-image")


@pytest.mark.parametrize(
    ("bad", "problem"),
    [(plain_png(), "blank-image"), (b"this is no image", "unreadable-image"), (b"", "invalid-input")],
)
async def test_an_error_names_the_image_of_a_series(system: System, bad: bytes, problem: str) -> None:
    answer = await system.enrol("P-1", png(), bad, modality="ct")
    assert (answer.status_code, slug(answer)) == (422, problem)
    assert "2 of 2" in answer.json()["detail"]
    assert (await system.get("/v1/patients/P-1")).status_code == 404


@pytest.mark.parametrize("data", [as_format("GIF"), b"%PDF-1.7\n" + b"x" * 100, b"PK\x03\x04" + b"x" * 100])
async def test_a_type_that_is_not_accepted(system: System, data: bytes) -> None:
    answer = await system.identify(data, modality="ct")
    assert (answer.status_code, slug(answer)) == (415, "unsupported-media-type")


async def test_more_than_a_hundred_megapixels_by_the_header(system: System) -> None:
    answer = await system.identify(huge_png(), modality="ct")
    assert (answer.status_code, slug(answer)) == (413, "payload-too-large")


async def test_a_request_over_the_limit_by_its_length(start: Start) -> None:
    system = await start(max_request_bytes=10_000)
    answer = await system.identify(b"x" * 20_000, modality="ct")
    assert (answer.status_code, slug(answer)) == (413, "payload-too-large")


async def test_a_request_over_the_limit_while_it_streams(start: Start) -> None:
    system = await start(max_request_bytes=10_000)

    async def body() -> AsyncIterator[bytes]:
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
        for _ in range(20):
            yield b"x" * 1000

    headers = {**system.headers(), "content-type": "multipart/form-data; boundary=b"}
    answer = await system.client.post("/v1/identify", content=body(), headers=headers)
    assert (answer.status_code, slug(answer)) == (413, "payload-too-large")


async def test_an_image_that_is_none_of_the_modalities(system: System) -> None:
    answer = await system.identify(png())
    assert (answer.status_code, slug(answer)) == (422, "unsupported-modality")
    assert set(answer.json()["probabilities"]) == {*load_registry().names, "other"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/patients/P-NOBODY"),
        ("DELETE", "/v1/patients/P-NOBODY"),
        ("DELETE", "/v1/patients/P-NOBODY/images/01JD3Q4M9T7V2X5Z8B1C6F0GHK"),
        ("GET", "/v1/nothing"),
    ],
)
async def test_an_unknown_patient_or_image(system: System, method: str, path: str) -> None:
    answer = await system.client.request(method, path, headers=system.headers())
    assert (answer.status_code, slug(answer)) == (404, "not-found")
    assert "P-NOBODY" not in answer.text


async def test_verifying_an_unknown_patient(system: System) -> None:
    answer = await system.verify(png(), modality="ct", patient_id="P-NOBODY")
    assert (answer.status_code, slug(answer)) == (404, "not-found")


async def test_the_same_idempotency_key_with_another_body(system: System) -> None:
    await system.enrol("P-1", png(1), modality="ct", idempotency="k-1")
    answer = await system.enrol("P-1", png(2), modality="ct", idempotency="k-1")
    assert (answer.status_code, slug(answer)) == (409, "conflict")


async def test_over_the_rate_limit(start: Start) -> None:
    system = await start(requests_per_minute=2)
    answers = [await system.get("/v1/modalities") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert slug(answers[-1]) == "rate-limited"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


class Slow(httpx.AsyncBaseTransport):
    """A service whose answers take `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._seconds)
        return httpx.Response(503)


async def test_more_uploads_at_once_than_there_are_places_wait(start: Start) -> None:
    system = await start(uploads_at_once=2, uploads_per_replica=1)
    answers = await asyncio.gather(*(system.identify(png(i), modality="ct") for i in range(6)))
    assert {answer.status_code for answer in answers} == {200}


async def test_uploads_that_cannot_be_served_in_time_are_refused(start: Start) -> None:
    system = await start(uploads_at_once=1, deadline_ms=500)
    system.switches["ct"].to = Slow(0.2)
    answers = await asyncio.gather(*(system.identify(png(i), modality="ct") for i in range(6)))
    refused = [answer for answer in answers if slug(answer) == "queue-full"]
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in refused} == {(503, "1")}


async def test_a_slow_modality_leaves_places_to_the_others(start: Start) -> None:
    system = await start(uploads_per_replica=1)
    system.switches["ct"].to = Slow(5.0)
    system.switches["compa"].to = classifying(("skin", 1.0))
    attack = [asyncio.create_task(system.identify(png(i), modality="ct")) for i in range(12)]
    await asyncio.sleep(0.1)
    for _ in range(4):
        other = system.client.post(
            "/v1/identify", files={"file": png()}, data={"modality": "skin"}, headers=system.headers("identify")
        )
        assert (await asyncio.wait_for(other, 2)).status_code == 200
    for task in attack:
        task.cancel()
    await asyncio.wait(attack)


async def test_reading_needs_no_place(start: Start) -> None:
    system = await start(uploads_at_once=1)
    answers = await asyncio.gather(*(system.get("/v1/modalities") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_service_that_answers_too_late(start: Start) -> None:
    system = await start(deadline_ms=400)

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("too late", request=request)

    system.switches["ct"].to = Slow()
    answer = await system.identify(png(), modality="ct")
    assert (answer.status_code, slug(answer)) == (504, "deadline-exceeded")


async def test_a_service_that_answers_nonsense(system: System) -> None:
    system.switches["ct"].to = httpx.MockTransport(lambda _: httpx.Response(200, json={"surprise": 1}))
    answer = await system.identify(png(), modality="ct")
    assert (answer.status_code, slug(answer)) == (502, "bad-upstream")


async def test_images_of_several_modalities_are_no_probe(system: System) -> None:
    answer = await system.identify(dicom("CT"), dicom("MR"))
    assert (answer.status_code, slug(answer)) == (422, "invalid-input")


@pytest.mark.parametrize("patient", ["-starts-wrong", "a" * 65, "sp ace", "ümlaut"])
async def test_a_bad_patient_id_is_refused_and_not_repeated(system: System, patient: str) -> None:
    answer = await system.enrol(patient, png(1), modality="ct")
    assert (answer.status_code, slug(answer)) == (422, "invalid-input")
    assert patient not in answer.text


@pytest.mark.parametrize(
    ("acquired_at", "told"),
    [
        pytest.param("yesterday", "RFC 3339", id="no time"),
        pytest.param("2024-01-01T10:00:00", "timezone", id="no zone"),
        pytest.param("20240131", "RFC 3339", id="a date as DICOM writes it"),
        pytest.param("20240131103000", "RFC 3339", id="a time as DICOM writes it"),
        pytest.param("1706695800", "RFC 3339", id="seconds since 1970"),
        pytest.param("0001-01-01T00:00:00+14:00", "from 1895 on", id="before anything was taken"),
        pytest.param("9999-12-31T23:59:59-14:00", "not in the future", id="in the future"),
    ],
)
async def test_what_is_no_time_of_an_image_is_refused(system: System, acquired_at: str, told: str) -> None:
    answer = await system.enrol("P-1", png(1), modality="ct", acquired_at=acquired_at)
    assert (answer.status_code, slug(answer)) == (422, "invalid-input")
    assert told in answer.json()["detail"]


async def test_nothing_is_stored_where_one_of_several_images_is_unreadable(system: System, database: Database) -> None:
    answer = await system.enrol("P-1", png(1), b"no image", modality="ct")
    assert answer.status_code == 422
    assert await database.fetch("SELECT 1 FROM patients") == []
