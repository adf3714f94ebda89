"""What happens around every request: identity, deadline, size limit, drain, metrics, one log line."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.contracts.internal import DEADLINE_HEADER, REQUEST_ID_HEADER
from shared.errors import MedReIDError, PayloadTooLarge, Unavailable
from shared.service.context import (
    Deadline,
    RequestContext,
    current_request,
    valid_request_id,
    valid_traceparent,
)
from shared.service.metrics import Metrics
from shared.service.problems import problem_response
from shared.service.settings import ServiceSettings

HEALTH = "/health/"
UNKNOWN_ROUTE = "(no route)"
"""Label of requests that match no route: the raw path may hold anything and never becomes a label."""

log = structlog.get_logger()


class RequestFrame:
    """Pure ASGI middleware; outermost, so that it sees the answer as the caller does."""

    def __init__(
        self, app: ASGIApp, *, settings: ServiceSettings, metrics: Metrics, draining: Callable[[], bool]
    ) -> None:
        self._app, self._settings, self._metrics, self._draining = app, settings, metrics, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
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
            await self._timed(scope, receive, send, headers, context)
        finally:
            current_request.reset(token)

    def _milliseconds(self, headers: Headers) -> float:
        value = headers.get(DEADLINE_HEADER, "")
        return float(min(int(value), 600_000)) if value.isascii() and value.isdigit() else self._settings.deadline_ms

    async def _timed(
        self, scope: Scope, receive: Receive, send: Send, headers: Headers, context: RequestContext
    ) -> None:
        begun, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = context.request_id
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._guarded(scope, receive, answer, headers)
            finally:
                self._record(scope, status, time.perf_counter() - begun)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await problem_response(refusal)(scope, receive, send)
            return
        limit, received = self._settings.max_request_bytes, 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, bounded, send)

    def _refusal(self, scope: Scope, headers: Headers) -> MedReIDError | None:
        if self._draining() and not scope["path"].startswith(HEALTH):
            return Unavailable("This instance is shutting down. Try again; another one will answer.", retry_after_s=1)
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > self._settings.max_request_bytes:
            return _too_large(self._settings.max_request_bytes)
        return None

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_template(scope)
        method = scope["method"] if scope["method"] in {"GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"} else "OTHER"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.latency.labels(method, route).observe(seconds)
        if not (route.startswith(HEALTH) or route == "/metrics") or status >= 500:
            log.info("request", method=method, route=route, status=status, ms=round(1000 * seconds, 2))


def route_template(scope: Scope) -> str:
    """The route's path with its parameters as names, never as values."""
    route = scope.get("route")
    return str(getattr(route, "path", UNKNOWN_ROUTE))


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"The request is larger than the limit of {limit // 2**20} MB. Send fewer or smaller images."
    )
