import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import pytest
from fastapi import APIRouter, File, Request, UploadFile
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from shared.errors import MedReIDError
from shared.service.context import current_request
from shared.service.limiter import UploadLimiter
from shared.service.metrics import Metrics
from shared.service.middleware import RequestMiddleware
from shared.service.settings import ServiceSettings
from tests.shared.conftest import Logged
from tests.shared.service.running import Start

router = APIRouter()


@router.get("/context")
async def context() -> dict[str, float | str]:
    context = current_request.get()
    assert context is not None
    remaining = round(context.deadline.remaining_s, 1)
    return {"request_id": context.request_id, "traceparent": context.traceparent, "remaining_s": remaining}


@router.post("/body")
async def body(request: Request) -> int:
    return len(await request.body())


@router.post("/form")
async def form(file: Annotated[UploadFile, File()]) -> int:
    return file.size or 0


@router.get("/half")
async def half() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("a defect")

    return StreamingResponse(parts())


class Echo(Response):
    """Answers while it reads."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (message := await receive())["type"] == "http.request":
            await send({"type": "http.response.body", "body": message["body"], "more_body": True})


@router.post("/echo")
async def echo() -> Echo:
    return Echo()


@router.post("/puzzled")
async def puzzled(request: Request) -> int:
    try:
        return len(await request.body())
    except MedReIDError:
        raise ValueError from None


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    """A body without a content-length."""
    for part in parts:
        yield part


async def test_a_request_without_an_id_gets_one_that_is_answered_too(start: Start) -> None:
    answer = await (await start(router)).client.get("/context")
    assert len(answer.json()["request_id"]) == 26
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_the_callers_request_id_is_kept(start: Start) -> None:
    answer = await (await start(router)).client.get("/context", headers={"x-request-id": "abc-123.def"})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "abc-123.def"


@pytest.mark.parametrize("harmful", ["short", "a" * 65, "jane roe 1970", 'x"}{"level": "info"'])
async def test_a_request_id_that_could_hold_anything_is_replaced(start: Start, harmful: str) -> None:
    answer = await (await start(router)).client.get("/context", headers={"x-request-id": harmful})
    assert answer.json()["request_id"] != harmful


async def test_the_trace_is_passed_on_or_begun(start: Start) -> None:
    client = (await start(router)).client
    known = f"00-{'a' * 32}-{'b' * 16}-01"
    assert (await client.get("/context", headers={"traceparent": known})).json()["traceparent"] == known
    begun = (await client.get("/context", headers={"traceparent": "nonsense"})).json()["traceparent"]
    assert [len(part) for part in begun.split("-")] == [2, 32, 16, 2]


@pytest.mark.parametrize(
    ("stated", "remaining_s"),
    [(None, 3.0), ("2000", 2.0), ("0", 0.0), ("-5", 3.0), ("soon", 3.0), ("\u0661", 3.0), ("9" * 5000, 600.0)],
)
async def test_the_callers_deadline_holds_within_reason(start: Start, stated: str | None, remaining_s: float) -> None:
    service = await start(router, settings={"deadline_ms": 3000})
    headers = {b"x-deadline-ms": stated.encode()} if stated else {}
    answer = await service.client.get("/context", headers=headers)
    assert answer.json()["remaining_s"] == pytest.approx(remaining_s, abs=0.5)


async def test_a_body_at_the_limit_is_taken(start: Start) -> None:
    service = await start(router, settings={"max_request_bytes": 10})
    assert (await service.client.post("/body", content=b"x" * 10)).json() == 10
    assert (await service.client.post("/body", content=in_parts(b"xxxxx", b"xxxxx"))).json() == 10


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_body_over_the_limit_is_refused(start: Start, streamed: bool) -> None:
    service = await start(router, settings={"max_request_bytes": 2**20})
    content = in_parts(b"x" * 2**20, b"x") if streamed else b"x" * (2**20 + 1)
    answer = await service.client.post("/body", content=content)
    assert answer.status_code == 413
    assert answer.json()["detail"].startswith("The request is larger than the limit of 1 MB.")


async def test_a_body_that_states_a_length_over_the_limit_is_not_read(start: Start) -> None:
    service = await start(router)
    answer = await service.client.post("/body", content=in_parts(b"x"), headers={"content-length": "9" * 5000})
    assert answer.status_code == 413


async def test_a_form_over_the_limit_is_too_large_not_malformed(start: Start) -> None:
    service = await start(router, settings={"max_request_bytes": 1000})
    head = b'--B\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=B"}
    content = in_parts(head, *[b"x" * 100] * 20, b"\r\n--B--\r\n")
    answer = await service.client.post("/form", content=content, headers=headers)
    assert answer.status_code == 413


async def stalled() -> AsyncIterator[bytes]:
    yield b"--B"
    await asyncio.sleep(60)
    yield b"--"


@pytest.mark.parametrize("path", ["/body", "/form", "/puzzled"])
async def test_a_body_that_does_not_come_keeps_nobody_waiting(start: Start, path: str) -> None:
    service = await start(router, settings={"deadline_ms": 100})
    headers = {"content-type": "multipart/form-data; boundary=B"}
    answer = await asyncio.wait_for(service.client.post(path, content=stalled(), headers=headers), 10)
    assert answer.status_code == 504
    assert answer.headers["connection"] == "close"


async def test_a_body_that_has_come_has_no_time_to_keep(start: Start) -> None:
    late, listening = asyncio.Event(), APIRouter()

    @listening.post("/listening")
    async def listen(request: Request) -> str:
        await request.body()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(request.receive(), 0.2)
            late.set()
        return "done"

    service = await start(listening, settings={"deadline_ms": 50})
    answer = await service.client.post("/listening", content=b"x")
    assert (answer.json(), late.is_set()) == ("done", False)


async def test_a_begun_answer_is_broken_off_if_the_body_is_too_large(start: Start) -> None:
    service = await start(router, settings={"max_request_bytes": 10})
    with pytest.raises(RuntimeError, match="response already started"):
        await service.client.post("/echo", content=in_parts(b"x" * 8, b"x" * 8))


async def test_what_a_route_makes_of_too_large_a_body_does_not_matter(start: Start) -> None:
    service = await start(router, settings={"max_request_bytes": 10})
    assert (await service.client.post("/puzzled", content=in_parts(b"x" * 8, b"x" * 8))).status_code == 413


async def test_a_defect_in_a_begun_answer_breaks_the_connection(start: Start, logged: Logged) -> None:
    service = await start(router)
    with pytest.raises(RuntimeError):
        await service.client.get("/half")
    assert [line["event"] for line in logged()] == ["unexpected exception", "request"]


async def test_a_service_that_shuts_down_sends_its_callers_elsewhere(start: Start) -> None:
    service = await start(router)
    service.frame.draining = True
    answer = await service.client.get("/context")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["connection"] == "close"


async def test_requests_in_flight_are_finished_while_it_shuts_down(start: Start) -> None:
    gate, begun, slow = asyncio.Event(), asyncio.Event(), APIRouter()

    @slow.get("/slow")
    async def wait() -> str:
        begun.set()
        await gate.wait()
        return "done"

    service = await start(slow)
    request = asyncio.create_task(service.client.get("/slow"))
    await begun.wait()
    service.frame.draining = True
    gate.set()
    answer = await request
    assert (answer.status_code, answer.json()) == (200, "done")
    assert answer.headers["connection"] == "close"


async def test_what_is_not_http_passes_through(start: Start) -> None:
    service = await start(router)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await service.app({"type": "websocket", "path": "/context", "headers": [], "subprotocols": []}, receive, send)
    assert sent[0]["type"] == "websocket.close"


@pytest.mark.parametrize(("draining", "answered"), [(True, [503]), (False, [])])
async def test_a_request_that_the_drain_cuts_off_is_told_so(start: Start, draining: bool, answered: list[int]) -> None:
    begun, endless = asyncio.Event(), APIRouter()

    @endless.get("/endless")
    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    service, sent = await start(endless), list[Message]()

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/endless", "headers": [], "query_string": b""}
    request = asyncio.create_task(service.app(scope, receive, send))
    await begun.wait()
    service.frame.draining = draining
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert [message["status"] for message in sent if "status" in message] == answered


@pytest.mark.parametrize("path", ["/context", "/health/ready"])
async def test_a_call_that_is_meant_for_another_service_is_refused(start: Start, path: str) -> None:
    service = await start(router)
    answer = await service.client.get(path, headers={"x-medreid-service": "other-service"})
    assert (answer.status_code, answer.json()["type"]) == (503, "/docs/problems/wrong-service")
    assert (await service.client.get(path, headers={"x-medreid-service": "test-service"})).is_success


async def test_whoever_has_the_answer_holds_no_place_any_more() -> None:
    metrics, statuses, tidied = Metrics(), list[int](), asyncio.Event()

    async def tidying(scope: Scope, receive: Receive, send: Send) -> None:
        await Response()(scope, receive, send)
        await tidied.wait()

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    frame = RequestMiddleware(
        tidying,
        service="test-service",
        settings=ServiceSettings(),
        metrics=metrics,
        draining=lambda: False,
        limiter=UploadLimiter(1, metrics),
    )
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
    requests = [asyncio.create_task(frame(dict(scope), receive, send)) for _ in range(2)]
    while len(statuses) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0)
    tidied.set()
    await asyncio.gather(*requests)
    assert statuses == [200, 200]
