from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from shared.service.balancing import Connections

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(to: Talk) -> AsyncIterator[tuple[Connections, str]]:
    """A connection to a server that talks so, and its URL, whose name nobody resolves."""
    server = await asyncio.start_server(to, "127.0.0.1", 0)
    connections = Connections("127.0.0.1")
    try:
        yield connections, f"http://ct-service:{server.sockets[0].getsockname()[1]}/"
    finally:
        await connections.aclose()
        server.close()


async def test_what_is_no_http_is_an_error_of_the_transport() -> None:
    async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    async with talking(gibberish) as (connections, url):
        with pytest.raises(httpx.TransportError):
            await connections.handle_async_request(httpx.Request("GET", url))


async def test_cookies_of_a_service_are_not_kept() -> None:
    heads: list[bytes] = []

    async def baking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    async with talking(baking) as (connections, url):
        for _ in range(2):
            response = await connections.handle_async_request(httpx.Request("GET", url))
            assert await response.aread() == b"ok"
    assert b"cookie" not in heads[1].lower()
