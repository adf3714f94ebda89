"""The connections to one replica: httpx in front, aiohttp's C parser behind (a call costs half of httpcore's time)."""

from __future__ import annotations

import ssl
from functools import cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

MOST = 64
KEPT_ALIVE_S = 15.0
"""Less than what a service keeps an idle connection for, so that it never closes one that is about to be used."""


class Connections(AiohttpTransport):
    """An httpx transport; opened by the first call, in whose event loop it stays."""

    def __init__(self) -> None:
        super().__init__(verify=_certificates(), trust_env=False, client=_session)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body still to be read; raises httpx.TransportError, also for what is no HTTP."""
        try:
            return await super().handle_async_request(request)
        except aiohttp.ClientError as error:
            raise httpx.RemoteProtocolError("no answer in HTTP", request=request) from error


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=MOST, keepalive_timeout=KEPT_ALIVE_S, ssl=_certificates())
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: it takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)
