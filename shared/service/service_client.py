"""The HTTP client between services: calls go to one of several replicas; errors become a MedReIDError."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from functools import cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from shared.contracts.internal import DEADLINE_HEADER, NPY_MEDIA_TYPE, REQUEST_ID_HEADER, SERVICE_HEADER
from shared.errors import BadUpstream, DeadlineExceeded, InternalError, MedReIDError, ServiceUnavailable
from shared.service.context import current_request, deadline_of_request
from shared.service.problems import problem_types
from shared.service.replicas import Observe, Replica, ReplicaSet, Resolve, resolve_name

ATTEMPTS = 3
"""Replicas that one call tries at most. Repeating a call is safe: no call between services changes anything."""

CONNECT_S, WRITE_S, POOL_S = 1.0, 5.0, 2.0
SUSPICION_S = 0.5
"""Seconds without an answer after which a replica is asked whether it is alive: it may be busy, or it may hang."""
HEALTH_S = 1.0
"""Seconds that a health check may take."""

LIMITS = httpx.Limits(max_connections=0, keepalive_expiry=15.0)
"""Any number of connections (0, for aiohttp). Idle ones are closed before the service does it (after 30 s), so that
none is closed as a call begins."""

SECONDS = re.compile("[0-9]{1,5}")


class ServiceClient:
    """Calls one service, whichever of its replicas is least busy.

    Args:
        base_url: `http://name:port`, without a path. The name may have one address for each replica.
        transport: In place of the network; for tests.
        service: Name that the replicas must have; a replica of another service refuses the call.
        observe: Told how many replicas are in use and how many rest.
        resolve: Finds the addresses of the name; without a network, the name itself is the address.

    Raises:
        ValueError: `base_url` has a path.
    """

    def __init__(
        self,
        base_url: str,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        service: str | None = None,
        observe: Observe = lambda used, resting: None,
        resolve: Resolve | None = None,
    ) -> None:
        self._base = httpx.URL(base_url)
        if self._base.path != "/":
            raise ValueError(f"the address of {service or 'a service'} must have no path. Write http://<host>:<port>.")
        self._headers = {"host": self._base.netloc.decode(), **({SERVICE_HEADER: service} if service else {})}
        self._transport = transport or AiohttpTransport(verify=_certificates(), limits=LIMITS, trust_env=False)
        resolve = resolve or (_itself if transport else resolve_name)
        self._replicas = ReplicaSet(self._base.host, self._base.port or 80, self._is_ready, resolve, observe)

    async def post_npy(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> httpx.Response:
        """POST an `application/x-npy` body."""
        return await self._call("POST", path, body=body, params=params, headers={"content-type": NPY_MEDIA_TYPE})

    async def get(self, path: str, timeout_s: float | None = None) -> httpx.Response:
        """GET a path within `timeout_s`, or within the request's own deadline if that is sooner."""
        return await self._call("GET", path, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._replicas.close()
        await self._transport.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> httpx.Response:
        context, deadline = current_request.get(), deadline_of_request()
        deadline.check()
        remaining = min(deadline.remaining_s, timeout_s) if timeout_s else deadline.remaining_s
        passed = {DEADLINE_HEADER: str(max(1, round(1000 * remaining))), **self._headers, **(headers or {})}
        if context:
            passed |= {REQUEST_ID_HEADER: context.request_id, "traceparent": context.traceparent}
        url = self._base.join(path) if params is None else self._base.join(path).copy_merge_params(params)
        request = httpx.Request(method, url, content=body, headers=passed, extensions=_timeouts(remaining))
        try:
            async with asyncio.timeout(remaining):
                response = await self._answer(request)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
            raise DeadlineExceeded from None
        except httpx.TransportError:
            raise ServiceUnavailable from None
        except httpx.DecodingError:
            raise BadUpstream from None
        if response.is_success:
            return response
        raise _translated(response)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """Return the answer of the first replica that serves, else what the last one did."""
        tried: list[Replica] = []
        last: httpx.Response | httpx.TransportError = httpx.ConnectError("the name has no address", request=request)
        while len(tried) < ATTEMPTS and (replica := await self._replicas.choose(tried)):
            tried.append(replica)
            try:
                last = await self._send(replica, request)
                if last.status_code != 503:
                    return last
            except httpx.TransportError as error:
                last = error
            self._replicas.rest(replica)
        if isinstance(last, httpx.TransportError):
            raise last
        return last

    async def _send(self, replica: Replica, request: httpx.Request) -> httpx.Response:
        """Return a replica's answer; raises ReadError if the replica stops saying that it is alive."""
        request = self._addressed(replica, request)
        replica.in_flight += 1
        sending = asyncio.create_task(self._exchange(request))
        try:
            while not (await asyncio.wait({sending}, timeout=SUSPICION_S))[0]:
                if not await self._is_healthy(replica, "/health/live"):
                    raise httpx.ReadError("the replica hangs", request=request)
            return await sending
        finally:
            sending.cancel()
            replica.in_flight -= 1

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the whole answer; raises TransportError or DecodingError.

        `httpx.AsyncClient` would add redirects, cookies and authentication, which no service uses. It and httpcore
        take three times as long.
        """
        try:
            response = await self._transport.handle_async_request(request)
            try:
                await response.aread()
            finally:
                await response.aclose()
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError("no answer in HTTP", request=request) from error
        return response

    def _addressed(self, replica: Replica, request: httpx.Request) -> httpx.Request:
        """Return the request as it is sent to a replica; the certificate is still checked for the name."""
        url = request.url.copy_with(host=replica.address)
        extensions = {**request.extensions, "sni_hostname": self._base.host}
        return httpx.Request(
            request.method, url, headers=request.headers, content=request.content, extensions=extensions
        )

    async def _is_ready(self, replica: Replica) -> bool:
        return await self._is_healthy(replica, "/health/ready")

    async def _is_healthy(self, replica: Replica, path: str) -> bool:
        request = httpx.Request("GET", self._base.join(path), headers=self._headers, extensions=_timeouts(HEALTH_S))
        try:
            async with asyncio.timeout(HEALTH_S):
                return (await self._exchange(self._addressed(replica, request))).status_code == 200
        except (TimeoutError, httpx.TransportError):
            return False


def _timeouts(remaining_s: float) -> dict[str, dict[str, float]]:
    return {"timeout": {"connect": CONNECT_S, "read": remaining_s, "write": WRITE_S, "pool": POOL_S}}


async def _itself(host: str, _port: int) -> list[str]:
    return [host]


@cache
def _certificates() -> ssl.SSLContext:
    """Read the trusted certificates once: it takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def _translated(response: httpx.Response) -> MedReIDError:
    """Return a service's problem as our exception; anything outside of the contract is a BadUpstream."""
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
