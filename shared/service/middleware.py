"""Middleware around every request: id, deadline, limits, drain, metrics and one log line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.contracts.internal import DEADLINE_HEADER, REQUEST_ID_HEADER, SERVICE_HEADER
from shared.errors import (
    DeadlineExceeded,
    InternalError,
    MedReIDError,
    PayloadTooLarge,
    Unavailable,
    WrongService,
)
from shared.service.context import (
    Deadline,
    RequestContext,
    current_request,
    valid_request_id,
    valid_traceparent,
)
from shared.service.limiter import UploadLimiter
from shared.service.logs import describe
from shared.service.metrics import Metrics
from shared.service.problems import problem_response
from shared.service.settings import ServiceSettings

HEALTH = "/health/"
LONGEST_DEADLINE_MS = 600_000
METHODS = frozenset({"GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"})
UNKNOWN_ROUTE = "(no route)"
"""Label of requests without a route. The raw path may hold anything, so it is never a label."""

CallerId = Callable[[Scope], Awaitable[str]]
"""Return the id of a request's caller from its headers; raises a MedReIDError if the credential is not valid."""

log = structlog.get_logger()


class Answer:
    """The sending side of a request: adds headers and remembers the status."""

    def __init__(self, send: Send, context: RequestContext, draining: Callable[[], bool]) -> None:
        self._send, self.context, self._draining = send, context, draining
        self.status: int | None = None
        self.held = ExitStack()
        """Released as the answer is sent, such as the upload place."""

    async def __call__(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID_HEADER] = self.context.request_id
            if self._draining():  # so that the caller's next request goes to another instance
                headers["connection"] = "close"
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.held.close()  # before sending: the caller may send its next request at once
        await self._send(message)


class BoundedBody:
    """The receiving side of a request: stops reading if the body is too large or too slow.

    A body that never ends would keep its place for ever. FastAPI turns an exception while it reads a form into a 400,
    so `refusal` keeps the right error.
    """

    def __init__(self, receive: Receive, limit: int, deadline: Deadline) -> None:
        self._receive, self._limit, self._deadline = receive, limit, deadline
        self._received, self._complete = 0, False
        self.refusal: MedReIDError | None = None

    async def __call__(self) -> Message:
        """Return the next part of the body; raises PayloadTooLarge or DeadlineExceeded."""
        if self._complete:  # the next message says that the caller has disconnected
            return await self._receive()
        try:
            async with asyncio.timeout(self._deadline.remaining_s):
                message = await self._receive()
        except TimeoutError:
            self.refusal = DeadlineExceeded("The body of the request did not come in time. Send it again.")
            raise self.refusal from None
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            self.refusal = _too_large(self._limit)
            raise self.refusal
        self._complete = not message.get("more_body", False)
        return message


class RequestMiddleware:
    """ASGI middleware around the whole application. Every exception becomes an answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        settings: ServiceSettings,
        metrics: Metrics,
        draining: Callable[[], bool],
        limiter: UploadLimiter | None = None,
        caller_id: CallerId | None = None,
    ) -> None:
        self._service, self._limiter, self._caller_id = service, limiter, caller_id
        self._app, self._settings, self._metrics, self._draining = app, settings, metrics, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request. Pass other scopes on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        context = RequestContext(
            valid_request_id(headers.get(REQUEST_ID_HEADER)),
            valid_traceparent(headers.get("traceparent")),
            Deadline.after(self._milliseconds(headers)),
        )
        token = current_request.set(context)
        try:
            await self._timed(scope, receive, Answer(send, context, self._draining))
        finally:
            current_request.reset(token)

    def _milliseconds(self, headers: Headers) -> int:
        stated = _number(headers.get(DEADLINE_HEADER))
        return self._settings.deadline_ms if stated is None else min(stated, LONGEST_DEADLINE_MS)

    async def _timed(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        begun = time.perf_counter()
        with self._metrics.in_flight.track_inprogress():
            try:
                await self._answered(scope, receive, answer)
            finally:
                self._record(scope, answer.status or 500, time.perf_counter() - begun)

    async def _answered(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        """Answer unexpected exceptions here, because Starlette's handlers run outside of the request's context."""
        try:
            await self._guarded(scope, receive, answer)
        except asyncio.CancelledError:  # the drain has run out of time
            if self._draining() and answer.status is None:
                await problem_response(_shutting_down())(scope, receive, answer)
            raise
        except Exception as error:
            log.error("unexpected exception", **describe(error))
            if answer.status is not None:  # part of the answer is sent, so only a closed connection tells the caller
                raise
            await problem_response(InternalError())(scope, receive, answer)

    async def _guarded(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        with answer.held as held:
            try:
                self._check(scope)
                if self._limiter is not None and scope["method"] == "POST":  # before the body is read
                    context = answer.context
                    context.caller_id = await self._caller_id(scope) if self._caller_id else ""
                    held.callback(await self._limiter.acquire(context.caller_id, context.deadline.remaining_s))
            except MedReIDError as refusal:
                await problem_response(refusal)(scope, receive, answer)
            else:
                await self._bounded(scope, receive, answer)

    async def _bounded(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        body = BoundedBody(receive, self._settings.max_request_bytes, answer.context.deadline)

        async def unless_refused(message: Message) -> None:
            if body.refusal is None:
                await answer(message)

        try:
            await self._app(scope, body, unless_refused)
        except Exception:
            if body.refusal is None or answer.status is not None:
                raise
        if body.refusal is not None and answer.status is None:
            response = problem_response(body.refusal)
            if isinstance(body.refusal, DeadlineExceeded):
                response.headers["connection"] = "close"  # the rest of the body is not read
            await response(scope, receive, answer)

    def _check(self, scope: Scope) -> None:
        """Raise if the request is not for this instance, or if its `content-length` is too large."""
        if self._draining() and not scope["path"].startswith(HEALTH):
            raise _shutting_down()
        headers = Headers(scope=scope)
        if headers.get(SERVICE_HEADER, self._service) != self._service:
            raise WrongService(retry_after_s=1)
        length = _number(headers.get("content-length"))
        if length is not None and length > self._settings.max_request_bytes:
            raise _too_large(self._settings.max_request_bytes)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_template(scope)
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.latency.labels(method, route).observe(seconds)
        if not (route.startswith(HEALTH) or route == "/metrics") or status >= 500:
            log.info("request", method=method, route=route, status=status, ms=round(1000 * seconds, 2))


def route_template(scope: Scope) -> str:
    """Return the path of the route, with the names of its parameters."""
    route = scope.get("route")
    return str(getattr(route, "path", UNKNOWN_ROUTE))


def _number(value: str | None) -> int | None:
    """Return a header's whole number, or None. Python refuses to parse more than 4300 digits, so 18 are read."""
    if value is None or not (value.isascii() and value.isdigit()):
        return None
    return int(value) if len(value) <= 18 else 10**18


def _shutting_down() -> Unavailable:
    return Unavailable("This instance is shutting down. Try again; another one will answer.", retry_after_s=1)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The request is larger than the limit of {limit / 2**20:.3g} MB. Send fewer or smaller images."
    )
