"""The one HTTP client between services: four timeouts, the request's identity passed on, errors translated."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx

from shared.contracts.internal import DEADLINE_HEADER, NPY_MEDIA_TYPE, REQUEST_ID_HEADER, SERVICE_HEADER
from shared.errors import BadUpstream, DeadlineExceeded, InternalError, MedReIDError, ServiceUnavailable
from shared.service.balancing import BalancedTransport, Connections, Observe
from shared.service.context import current_request, deadline_of_request
from shared.service.problems import problem_types

CONNECT_S, WRITE_S, POOL_S = 1.0, 5.0, 2.0
SECONDS = re.compile("[0-9]{1,5}")


class ServiceClient:
    """Calls one model service; everything that goes wrong is an error of the tree.

    `transport` is how all replicas behind `base_url` are reached (`create_client`: over the network). Requests are
    handed to it as they are: what httpx.AsyncClient adds (cookies, redirects, authentication) no service uses, and it
    costs as much time as the call itself.
    """

    def __init__(self, base_url: str, transport: httpx.AsyncBaseTransport, service: str | None = None) -> None:
        self._base, self._transport = base_url, transport
        self._headers = named(service)

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
        context, deadline = current_request.get(), deadline_of_request()
        deadline.check()
        remaining = min(deadline.remaining_s, timeout_s) if timeout_s else deadline.remaining_s
        passed = {DEADLINE_HEADER: str(max(1, round(1000 * remaining))), **(headers or {})}
        if context:
            passed |= {REQUEST_ID_HEADER: context.request_id, "traceparent": context.traceparent}
        timeout = {"connect": CONNECT_S, "read": remaining, "write": WRITE_S, "pool": POOL_S}
        try:
            async with asyncio.timeout(remaining):  # the transport limits each read, and there may be many
                request = httpx.Request(
                    method,
                    _joined(self._base, path),
                    headers={**self._headers, **passed},
                    extensions={"timeout": timeout},
                    **rest,
                )
                response = await self._transport.handle_async_request(request)
                await response.aread()
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
        await self._transport.aclose()


@lru_cache(maxsize=256)
def _joined(base: str, path: str) -> httpx.URL:
    """Kept, since taking an address apart costs as much as sending it; parameters, which may name patients, are not."""
    return httpx.URL(base).join(path)


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


def create_client(
    base_url: str,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    service: str | None = None,
    observe: Observe = lambda used, resting: None,
) -> ServiceClient:
    """A client for all replicas of one service, which refuse it where `service` is not their name.

    `transport` lets tests call an application without a network. ValueError where the address has a path, under which
    nothing would be asked.
    """
    if httpx.URL(base_url).path != "/":
        raise ValueError(f"the address of {service or 'a service'} must have no path")
    balanced = transport or BalancedTransport(base_url, Connections, observe, headers=named(service))
    return ServiceClient(base_url, balanced, service)


def named(service: str | None) -> Mapping[str, str]:
    """The header that says whom a call is meant for."""
    return {SERVICE_HEADER: service} if service else {}
