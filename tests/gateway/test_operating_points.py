"""The operating points, against a service whose model has the strict threshold that the test gives it."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import get_args

import httpx
import pytest
from asgi_lifespan import LifespanManager

from shared.contracts.public import OperatingPoint
from shared.database.pool import Database
from shared.database.settings import DatabaseSettings
from shared.identification.service import create_identification_app
from shared.models.manifest import MANIFEST_FILE, OperatingPoints, read_manifest
from shared.service.model import ModelServiceSettings
from tests.gateway.conftest import Down, System, until_ready
from tests.gateway.pictures import png
from tests.shared.conftest import TINY

Serve = Callable[[float | None], Awaitable[System]]
"""Puts a ct-service with this strict threshold behind the gateway."""


@pytest.fixture
async def serve(system: System, database_settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def put(strict: float | None) -> System:
            folder = Path(shutil.copytree(TINY / "identifier", tmp_path / "ct-service"))
            points = None if strict is None else OperatingPoints(strict=strict, strict_origin="the test")
            manifest = read_manifest(folder).model_copy(update={"operating_points": points})
            (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())
            app = create_identification_app(folder, ModelServiceSettings(log_level="error"), database_settings)
            manager = await stack.enter_async_context(LifespanManager(app, startup_timeout=30))
            transport = httpx.ASGITransport(manager.app)
            await until_ready(transport)
            system.switches["ct"].to = transport
            return system

        yield put


async def asked(system: System, seed: int, **fields: str) -> dict[str, object]:
    answer = await system.identify(png(seed), modality="ct", **fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_without_a_word_the_point_is_standard(serve: Serve) -> None:
    system = await serve(0.9)
    await system.enrol("P-1", png(1), modality="ct")
    plain, standard = await asked(system, 1), await asked(system, 1, operating_point="standard")
    for answer in (plain, standard):
        assert (answer["threshold"], answer["operating_point"]) == (0.75, "standard")
        assert (answer["decision"], answer["patient_id"]) == ("identified", "P-1")


async def test_strict_is_the_threshold_of_the_model_that_answers(serve: Serve) -> None:
    system = await serve(0.9)
    await system.enrol("P-1", png(1), modality="ct")
    answer = await asked(system, 1, operating_point="strict")
    assert (answer["threshold"], answer["operating_point"]) == (0.9, "strict")
    assert (answer["decision"], answer["patient_id"]) == ("identified", "P-1")


async def test_whom_standard_identifies_strict_may_leave_to_a_person(serve: Serve) -> None:
    system = await serve(1.0)
    await system.enrol("P-1", png(1), modality="ct")
    assert (await asked(system, 1))["decision"] == "identified"
    answer = await asked(system, 1, operating_point="strict")
    assert (answer["decision"], answer["patient_id"]) == ("candidates", None)


async def test_strict_is_never_laxer_than_the_registry(serve: Serve) -> None:
    answer = await asked(await serve(0.5), 1, operating_point="strict")
    assert answer["threshold"] == 0.75


async def test_a_model_without_a_strict_threshold_says_so_and_has_the_other_points(
    serve: Serve, database: Database
) -> None:
    system = await serve(None)
    refused = await system.identify(png(1), modality="ct", operating_point="strict")
    assert (refused.status_code, refused.json()["type"]) == (422, "/docs/problems/no-operating-point")
    assert "no strict threshold" in refused.json()["detail"]
    assert await database.fetch("SELECT 1 FROM audit_events") == []
    assert (await asked(system, 1, operating_point="standard"))["threshold"] == 0.75
    assert (await asked(system, 1, operating_point="investigation"))["operating_point"] == "investigation"


async def test_an_investigation_names_nobody_however_sure(serve: Serve) -> None:
    system = await serve(None)
    await system.enrol("P-1", png(1), modality="ct")
    answer = await asked(system, 1, operating_point="investigation")
    assert (answer["decision"], answer["patient_id"], answer["threshold"]) == ("candidates", None, 1.0)
    assert isinstance(answer["confidence"], float)
    assert answer["confidence"] > 0.99


async def test_an_investigation_shows_strangers_the_nearest(serve: Serve) -> None:
    system = await serve(None)
    for patient in range(4):
        await system.enrol(f"P-{patient}", png(patient), modality="ct")
    assert (await asked(system, 77))["decision"] == "unknown"
    answer = await asked(system, 77, operating_point="investigation")
    assert (answer["decision"], answer["patient_id"]) == ("candidates", None)
    assert isinstance(answer["candidates"], list)
    assert len(answer["candidates"]) == 3
    wider = await asked(system, 77, operating_point="investigation", top_k="4")
    assert isinstance(wider["candidates"], list)
    assert len(wider["candidates"]) == 4


async def test_an_investigation_where_nobody_is_enrolled_is_unknown(serve: Serve) -> None:
    answer = await asked(await serve(None), 1, operating_point="investigation")
    assert (answer["decision"], answer["candidates"], answer["confidence"]) == ("unknown", [], 0.0)


async def test_a_threshold_of_the_caller_is_of_no_point(serve: Serve) -> None:
    answer = await asked(await serve(0.9), 1, threshold="0.6")
    assert (answer["threshold"], answer["operating_point"]) == (0.6, None)


async def test_a_threshold_and_a_point_are_one_too_many(system: System) -> None:
    answer = await system.identify(png(1), modality="ct", threshold="0.6", operating_point="standard")
    assert (answer.status_code, answer.json()["type"]) == (422, "/docs/problems/invalid-input")
    assert answer.json()["detail"].startswith("Send `threshold` or `operating_point`, not both")


async def test_an_empty_field_of_a_form_is_no_threshold(serve: Serve) -> None:
    answer = await asked(await serve(0.9), 1, threshold="", operating_point="strict")
    assert (answer["threshold"], answer["operating_point"]) == (0.9, "strict")


@pytest.mark.parametrize("point", ["lax", "STRICT", "strict ", "0.9", "null"])
async def test_another_name_is_refused_with_those_that_there_are(system: System, point: str) -> None:
    answer = await system.identify(png(1), modality="ct", operating_point=point)
    assert (answer.status_code, answer.json()["type"]) == (422, "/docs/problems/invalid-input")
    assert answer.json()["detail"] == "operating_point: Input should be 'strict', 'standard' or 'investigation'"


async def test_modalities_list_the_points(serve: Serve) -> None:
    system = await serve(0.9)
    assert (await points(system))["ct"] == {"strict": 0.9, "standard": 0.75, "investigation": 1.0}
    system.switches["ct"].to = Down()
    assert (await points(system))["ct"] == {"strict": None, "standard": 0.75, "investigation": 1.0}


async def test_modalities_say_where_there_is_no_strict_threshold(serve: Serve) -> None:
    assert (await points(await serve(None)))["ct"]["strict"] is None


async def points(system: System) -> dict[str, dict[str, float | None]]:
    items = (await system.get("/v1/modalities")).json()["items"]
    assert all(item["operating_points"]["standard"] == item["threshold"] for item in items)
    return {item["name"]: item["operating_points"] for item in items}


async def test_every_point_of_the_description_runs(serve: Serve) -> None:
    system = await serve(0.9)
    schemas = (await system.get("/openapi.json")).json()["components"]["schemas"]
    (field,) = [
        properties["operating_point"]
        for name, schema in schemas.items()
        if name.startswith("Body_identify") and (properties := schema["properties"])
    ]
    assert field["enum"]
    for point in field["enum"]:
        assert (await asked(system, 1, operating_point=point))["operating_point"] == point


async def test_the_page_offers_every_point_and_begins_with_standard(system: System) -> None:
    page = (await system.client.get("/")).text
    options = re.findall(r'<option value="(\w+)">', page.split('<select id="point">')[1].split("</select>")[0])
    assert options[0] == "standard"
    assert set(options) == set(get_args(OperatingPoint))
