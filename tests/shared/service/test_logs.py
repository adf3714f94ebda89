import logging
from typing import Annotated

import httpx
import pytest
import structlog
from fastapi import APIRouter, File, Form, UploadFile

from shared.service.logs import configure_logs, describe
from tests.shared.conftest import Logged
from tests.shared.service.running import Start

SECRET = "Jane-Roe-1970"

router = APIRouter()


@router.post("/v1/patients/{patient_id}/images")
async def enrol(patient_id: str, file: Annotated[UploadFile, File()], reference: Annotated[str, Form()]) -> str:
    logging.getLogger("pydicom").warning("%s has odd tags", file.filename)
    logging.getLogger("imageio").warning("cannot read %s", file.filename)
    return patient_id + reference


async def test_a_request_is_one_line(start: Start, logged: Logged) -> None:
    service = await start(router)
    await service.client.get("/nowhere", headers={"x-request-id": "request-0001", "traceparent": trace("a")})
    (line,) = logged()
    assert line.pop("ms") >= 0
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "service": "test-service",
        "method": "GET",
        "route": "(no route)",
        "status": 404,
        "request_id": "request-0001",
        "trace": "a" * 32,
    }


async def test_nothing_of_the_patient_or_the_upload_is_logged(start: Start, logged: Logged) -> None:
    service = await start(router)
    await service.client.post(
        f"/v1/patients/{SECRET}/images?note={SECRET}",
        files={"file": (f"{SECRET}.dcm", b"content")},
        data={"reference": SECRET},
        headers={"x-note": SECRET, "authorization": f"Bearer {SECRET}", "idempotency-key": SECRET},
    )
    lines = logged()
    assert "/v1/patients/{patient_id}/images" in [line.get("route") for line in lines]
    assert SECRET not in str(lines)


async def test_routes_of_probes_are_not_logged(start: Start, logged: Logged) -> None:
    service = await start(router)
    for path in ("/health/live", "/health/ready", "/metrics"):
        await service.client.get(path)
    assert logged() == []


async def test_a_method_of_the_callers_own_making_is_no_label(start: Start, logged: Logged) -> None:
    service = await start(router)
    await service.client.request("JANE", "/health/live")
    await service.client.request("JANE", "/nowhere")
    assert logged()[-1]["method"] == "OTHER"


def test_libraries_speak_in_templates_and_never_in_values(logged: Logged) -> None:
    configure_logs("test-service", "info")
    logging.getLogger("library").warning("cannot read %s", SECRET)
    (line,) = logged()
    assert (line["event"], line["logger"], line["level"]) == ("cannot read %s", "library", "warning")
    assert line["place"].startswith("test_logs:")


def test_what_a_library_put_together_before_is_withheld(logged: Logged) -> None:
    configure_logs("test-service", "info")
    logging.getLogger("asyncio").error(f"Task exception was never retrieved: KeyError({SECRET!r})")  # noqa: G004
    (line,) = logged()
    assert line["event"] == "(message withheld)"


def test_a_librarys_exception_is_logged_by_type_and_place(logged: Logged) -> None:
    configure_logs("test-service", "info")
    try:
        raise KeyError(SECRET)
    except KeyError:
        logging.getLogger("library").exception("failed")
    (line,) = logged()
    assert line["error"] == "KeyError"
    assert line["at"][0].startswith("test_a_librarys_exception_is_logged")
    assert SECRET not in str(line)


def test_the_server_may_say_where_it_listens(logged: Logged) -> None:
    configure_logs("test-service", "info")
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://127.0.0.1:8000")
    assert logged()[0]["event"] == "Uvicorn running on http://127.0.0.1:8000"


@pytest.mark.parametrize("name", ["httpx", "uvicorn.access", "psycopg.pool"])
def test_libraries_that_quote_addresses_and_values_are_silent(logged: Logged, name: str) -> None:
    configure_logs("test-service", "debug")
    logging.getLogger(name).warning("GET %s", SECRET)
    assert logged() == []


def test_nothing_below_the_level_is_logged(logged: Logged) -> None:
    configure_logs("test-service", "warning")
    structlog.get_logger().info("unimportant")
    structlog.get_logger().warning("important")
    assert [line["event"] for line in logged()] == ["important"]


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert describe(httpx.ConnectError(SECRET)) == {"error": "ConnectError", "at": []}


def trace(digit: str) -> str:
    """A `traceparent`."""
    return f"00-{32 * digit}-{16 * digit}-01"
