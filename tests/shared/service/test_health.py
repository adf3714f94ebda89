import httpx

from shared.errors import DatabaseUnavailable
from shared.service.health import Check
from tests.shared.service.running import Start, build


async def passes() -> None:
    """All is well."""


async def fails() -> None:
    raise DatabaseUnavailable


async def breaks() -> None:
    raise RuntimeError("a defect")


async def test_startup_fails_until_the_lifespan_has_opened_everything() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build()), base_url="http://service") as client:
        answer = await client.get("/health/startup")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


async def test_startup_passes_after_it(start: Start) -> None:
    assert (await (await start()).client.get("/health/startup")).json() == {"status": "ok"}


async def test_startup_waits_for_what_goes_on_in_the_background(start: Start) -> None:
    service = await start(started=lambda: False)
    assert (await service.client.get("/health/startup")).status_code == 503
    assert (await service.client.get("/health/live")).status_code == 200


async def test_a_service_is_ready_when_every_check_passes(start: Start) -> None:
    service = await start(checks={"model": passes, "database": passes})
    assert (await service.client.get("/health/ready")).status_code == 200


async def test_a_service_that_is_not_ready_names_the_checks_that_fail(start: Start) -> None:
    service = await start(checks={"model": passes, "database": fails})
    answer = await service.client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["detail"] == "Not ready: database."


async def test_it_is_alive_all_the_same(start: Start) -> None:
    service = await start(checks={"database": fails})
    assert (await service.client.get("/health/live")).status_code == 200


async def test_a_check_with_a_defect_is_an_internal_error(start: Start) -> None:
    service = await start(checks={"model": breaks, "database": fails})
    assert (await service.client.get("/health/ready")).status_code == 500


async def test_checks_may_be_added_while_the_lifespan_opens(start: Start) -> None:
    checks: dict[str, Check] = {}
    service = await start(checks=checks)
    checks["database"] = fails
    assert (await service.client.get("/health/ready")).status_code == 503


async def test_a_service_that_shuts_down_is_not_ready_but_alive(start: Start) -> None:
    service = await start(checks={"model": passes})
    service.frame.draining = True
    assert (await service.client.get("/health/ready")).status_code == 503
    assert (await service.client.get("/health/live")).status_code == 200
