"""The connections to one replica: httpx in front, aiohttp's C parser behind (a call costs half of httpcore's time)."""

from __future__ import annotations

import socket
import ssl
from functools import cache, partial

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport

MOST = 64
KEPT_ALIVE_S = 15.0
"""Less than what a service keeps an idle connection for, so that it never closes one that is about to be used."""


class Connections(AiohttpTransport):
    """An httpx transport; opened by the first call, in whose event loop it stays."""

    def __init__(self, address: str) -> None:
        super().__init__(verify=_certificates(), trust_env=False, client=partial(_session, address))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body still to be read; raises httpx.TransportError, also for what is no HTTP."""
        try:
            return await super().handle_async_request(request)
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError("no answer in HTTP", request=request) from error


class _Always(AbstractResolver):
    """Every name is at one address. So a call keeps its name, which certificates are for, and is not written anew."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """That address, as it may be IPv4 or IPv6."""
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        flags = socket.AI_NUMERICHOST
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=flags)]

    async def close(self) -> None:
        """Nothing is held."""


def _session(address: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=MOST, keepalive_timeout=KEPT_ALIVE_S, ssl=_certificates(), resolver=_Always(address)
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)
