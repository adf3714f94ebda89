"""The one HTTP client between services: four timeouts, the request's identity passed on, errors translated."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx

from shared.contracts.internal import DEADLINE_HEADER, NPY_MEDIA_TYPE, REQUEST_ID_HEADER, SERVICE_HEADER
from shared.errors import BadUpstream, DeadlineExceeded, InternalError, MedReIDError, ServiceUnavailable
from shared.service.balancing import BalancedTransport, Observe
from shared.service.context import Deadline, current_request
from shared.service.problems import problem_types

CONNECT_S, WRITE_S, POOL_S = 1.0, 5.0, 2.0
SECONDS = re.compile("[0-9]{1,5}")
KEPT_ALIVE_S = 15.0
"""Less than what a service keeps an idle connection for, so that it never closes one that is about to be used."""


def create_client(
    base_url: str,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    service: str | None = None,
    observe: Observe = lambda used, resting: None,
) -> httpx.AsyncClient:
    """A client for all replicas of one service, which refuse it where `service` is not their name.

    `transport` lets tests call an application without a network.
    """
    headers = {SERVICE_HEADER: service} if service else {}
    return httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        transport=transport or BalancedTransport(base_url, _connections, observe, headers=headers),
        timeout=httpx.Timeout(10.0, connect=CONNECT_S, write=WRITE_S, pool=POOL_S),
        trust_env=False,
    )


def _connections() -> httpx.AsyncBaseTransport:
    """Those to one replica."""
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=KEPT_ALIVE_S)
    return httpx.AsyncHTTPTransport(limits=limits, trust_env=False)


class ServiceClient:
    """Calls one model service; everything that goes wrong is an error of the tree."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post_npy(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> httpx.Response:
        """POST an `application/x-npy` body."""
        return await self._send("POST", path, content=body, params=params, headers={"content-type": NPY_MEDIA_TYPE})

    async def get(self, path: str, timeout_s: float | None = None) -> httpx.Response:
        """GET, within `timeout_s` where that is less than the request's own deadline."""
        return await self._send("GET", path, timeout_s=timeout_s)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> httpx.Response:
        context = current_request.get()
        deadline = context.deadline if context else Deadline.after(10_000)
        deadline.check()
        remaining = min(deadline.remaining_s, timeout_s) if timeout_s else deadline.remaining_s
        passed = {DEADLINE_HEADER: str(max(1, round(1000 * remaining))), **(headers or {})}
        if context:
            passed |= {REQUEST_ID_HEADER: context.request_id, "traceparent": context.traceparent}
        timeout = httpx.Timeout(remaining, connect=CONNECT_S, write=WRITE_S, pool=POOL_S)
        try:
            async with asyncio.timeout(remaining):  # httpx limits each read, and there may be many
                response = await self._client.request(method, path, headers=passed, timeout=timeout, **rest)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
            raise DeadlineExceeded from None
        except httpx.TransportError:
            raise ServiceUnavailable from None
        except httpx.DecodingError:
            raise BadUpstream from None
        if response.is_success:
            return response
        raise _translated(response)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _translated(response: httpx.Response) -> MedReIDError:
    """The service's problem as our exception; an error of its own making is a bad upstream."""
    try:
        body = response.json()
        kind = problem_types()[str(body["type"]).rsplit("/", 1)[-1]]
    except (ValueError, KeyError, TypeError):
        return ServiceUnavailable() if response.status_code == 503 else BadUpstream()
    if kind is InternalError:
        return BadUpstream()
    detail, retry_after = body.get("detail"), response.headers.get("retry-after", "")
    error = kind(detail if isinstance(detail, str) else None)
    if SECONDS.fullmatch(retry_after):
        error.retry_after_s = int(retry_after)
    return error
