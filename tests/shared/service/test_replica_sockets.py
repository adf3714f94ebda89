"""The same over real connections: three servers on three addresses of this machine, one port."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from shared.service.replicas import resolve_name
from shared.service.service_client import ServiceClient

ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts([*ADDRESSES, "localhost"])]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b"


class Server:
    """Answers every request on a kept-alive connection with its address, unless it is frozen."""

    def __init__(self, address: str) -> None:
        self._address = address.encode()
        self.connections = 0
        self.handlers: set[asyncio.Task[None] | None] = set()
        self.frozen = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.handlers.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [line.split(b":")[1] for line in head.lower().splitlines() if line[:15] == b"content-length:"]
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                if self.frozen:
                    await reader.read()  # until the caller hangs up
                    break
                writer.write(ANSWER % (len(self._address), self._address))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def finished(self) -> None:
        """Return when every connection is closed."""
        await asyncio.gather(*(handler for handler in self.handlers if handler is not None))


@asynccontextmanager
async def serving(servers: list[Server]) -> AsyncIterator[ServiceClient]:
    async with AsyncExitStack() as stack:
        port = 0
        for address, server in zip(ADDRESSES, servers, strict=True):
            listener = await asyncio.start_server(server, address, port)
            port = listener.sockets[0].getsockname()[1]
            stack.callback(listener.close)
            stack.push_async_callback(server.finished)
        client = ServiceClient(f"http://ct-service:{port}", resolve=resolve)
        stack.push_async_callback(client.close)
        yield client


async def resolve(_host: str, _port: int) -> list[str]:
    """What Compose's resolver says of a service with three replicas."""
    return ADDRESSES


async def test_kept_alive_connections_still_spread_calls() -> None:
    servers = [Server(address) for address in ADDRESSES]
    async with serving(servers) as client:
        answers = Counter([(await client.get("/v1/model")).text for _ in range(30)])
    assert answers == dict.fromkeys(ADDRESSES, 10)
    assert [server.connections for server in servers] == [1, 1, 1]


async def test_a_frozen_server_costs_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.service.service_client.SUSPICION_S", 0.2)
    servers = [Server(address) for address in ADDRESSES]
    async with serving(servers) as client:
        await asyncio.gather(*(client.get("/v1/model") for _ in range(12)))
        servers[1].frozen = True
        calls = [client.post_npy("/v1/identify", b"npy") for _ in range(9)]
        answers = Counter(answer.text for answer in await asyncio.gather(*calls))
    assert set(answers) == {"127.0.0.1", "127.0.0.3"}


async def test_the_resolver_of_this_machine_knows_it() -> None:
    assert "127.0.0.1" in await resolve_name("localhost", 80)
