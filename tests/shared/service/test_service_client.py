from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from shared.errors import (
    BadUpstream,
    DeadlineExceeded,
    InvalidInput,
    MedReIDError,
    NotFound,
    QueueFull,
    ServiceUnavailable,
)
from shared.service.context import Deadline, RequestContext, current_request
from shared.service.service_client import ServiceClient

Answer = Callable[[httpx.Request], httpx.Response]
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def calling(answer: Answer) -> ServiceClient:
    """A client whose service answers so."""
    return ServiceClient("http://service", httpx.MockTransport(answer))


def raising(error: type[httpx.RequestError]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("of the transport", request=request)

    return answer


def problem(status: int, slug: str, **headers: str) -> Answer:
    body = {"type": f"/docs/problems/{slug}", "detail": "As the service says."}
    return lambda _: httpx.Response(status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


@contextmanager
def request_in_hand(milliseconds: int) -> Iterator[None]:
    """What the frame does around a request that has so much time left."""
    token = current_request.set(RequestContext("request-0001", TRACE, Deadline.after(milliseconds)))
    try:
        yield
    finally:
        current_request.reset(token)


@pytest.mark.parametrize("address", ["http://service/prefix", "http://service:8000/v1/"])
def test_an_address_has_no_path(address: str) -> None:
    with pytest.raises(ValueError, match="the address of ct-service must have no path"):
        ServiceClient(address, httpx.MockTransport(lambda _: httpx.Response(200)), service="ct-service")


async def test_an_array_is_posted_as_npy() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path, request.url.query) == ("POST", "/v1/identify", b"top_k=3")
        assert request.headers["content-type"] == "application/x-npy"
        return httpx.Response(200, content=request.content)

    client = calling(answer)
    assert (await client.post_npy("/v1/identify", b"npy", {"top_k": "3"})).content == b"npy"
    await client.close()


async def test_a_request_passes_on_its_identity_and_time_left() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-request-id"] == "request-0001"
        assert request.headers["traceparent"] == TRACE
        assert 1000 < int(request.headers["x-deadline-ms"]) <= 2000
        return httpx.Response(200)

    with request_in_hand(2000):
        await calling(answer).get("/v1/model")


async def test_a_call_outside_of_a_request_has_a_deadline_too() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "x-request-id" not in request.headers
        assert 9000 < int(request.headers["x-deadline-ms"]) <= 10_000
        return httpx.Response(200)

    await calling(answer).get("/v1/model")


async def test_a_call_may_have_less_time_than_its_request() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert int(request.headers["x-deadline-ms"]) <= 500
        return httpx.Response(200)

    await calling(answer).get("/health/ready", timeout_s=0.5)


async def test_nothing_is_sent_after_the_deadline() -> None:
    with request_in_hand(0), pytest.raises(DeadlineExceeded):
        await calling(lambda _: httpx.Response(200)).get("/v1/model")


async def test_an_answer_that_trickles_past_the_deadline_is_given_up() -> None:
    class Trickle(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            async def parts() -> AsyncIterator[bytes]:
                while True:
                    await asyncio.sleep(0.01)
                    yield b"."

            return httpx.Response(200, content=parts())

    client = ServiceClient("http://service", Trickle())
    with pytest.raises(DeadlineExceeded):
        await client.get("/v1/model", timeout_s=0.05)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError, ServiceUnavailable),
        (httpx.ConnectTimeout, ServiceUnavailable),
        (httpx.PoolTimeout, ServiceUnavailable),
        (httpx.RemoteProtocolError, ServiceUnavailable),
        (httpx.ReadTimeout, DeadlineExceeded),
        (httpx.WriteTimeout, DeadlineExceeded),
        (httpx.DecodingError, BadUpstream),
    ],
)
async def test_what_the_network_does_becomes_an_error_of_the_tree(
    raised: type[httpx.RequestError], expected: type[MedReIDError]
) -> None:
    with pytest.raises(expected):
        await calling(raising(raised)).get("/v1/model")


@pytest.mark.parametrize(
    ("status", "slug", "expected"),
    [
        (422, "invalid-input", InvalidInput),
        (404, "not-found", NotFound),
        (503, "queue-full", QueueFull),
        (504, "deadline-exceeded", DeadlineExceeded),
        (500, "internal-error", BadUpstream),
    ],
)
async def test_a_services_problem_is_raised_again(status: int, slug: str, expected: type[MedReIDError]) -> None:
    with pytest.raises(MedReIDError) as caught:
        await calling(problem(status, slug)).get("/v1/model")
    assert type(caught.value) is expected


async def test_a_services_wait_and_advice_are_passed_on() -> None:
    with pytest.raises(QueueFull, match="As the service says") as caught:
        await calling(problem(503, "queue-full", retry_after="9")).get("/v1/model")
    assert caught.value.retry_after_s == 9


@pytest.mark.parametrize("retry_after", ["", "soon", "\u00b2"])
async def test_a_wait_that_is_no_number_is_ours_instead(retry_after: str) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        headers = [(b"retry-after", retry_after.encode("latin-1"))]
        return httpx.Response(503, json={"type": "/docs/problems/queue-full"}, headers=headers)

    with pytest.raises(QueueFull) as caught:
        await calling(answer).get("/v1/model")
    assert caught.value.retry_after_s == 2
    assert caught.value.detail == QueueFull.default_detail


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (500, b"<html>", BadUpstream),
        (302, b"", BadUpstream),
        (422, b'{"type": "/docs/problems/no-such-problem"}', BadUpstream),
        (400, b"[]", BadUpstream),
        (400, b"\xff\xfe", BadUpstream),
        (503, b"upstream connect error", ServiceUnavailable),
    ],
)
async def test_an_answer_outside_of_the_contract_is_a_bad_upstream(
    status: int, content: bytes, expected: type[MedReIDError]
) -> None:
    with pytest.raises(expected):
        await calling(lambda _: httpx.Response(status, content=content)).get("/v1/model")


async def test_a_call_says_whom_it_is_meant_for() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers["x-medreid-service"])

    client = ServiceClient("http://service", httpx.MockTransport(answer), service="ct-service")
    assert (await client.get("/v1/model")).text == "ct-service"
