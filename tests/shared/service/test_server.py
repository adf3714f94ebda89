"""Real processes behind real sockets, and real signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]
SERVICE = Path(__file__).parent / "drained.py"


class Server:
    """The process, what it prints, and a caller."""

    def __init__(self, process: asyncio.subprocess.Process, client: httpx.AsyncClient, folder: Path) -> None:
        self.process, self.client, self.gate = process, client, folder / "gate"

    def slow(self) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(self.client.get("/slow", params={"gate": str(self.gate)}))

    async def until(self, event: str) -> None:
        """Read what the process prints until a line says `event`; every line is JSON."""
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            if event in json.loads(line)["event"]:
                return
        raise AssertionError(f"the process ended without saying {event!r}")


@asynccontextmanager
async def serving(folder: Path, repository: Path, drain_seconds: float) -> AsyncIterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVICE), str(port), str(drain_seconds)),
        env={**os.environ, "PYTHONPATH": str(repository)},
        stdout=asyncio.subprocess.PIPE,
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        server = Server(process, client, folder)
        try:
            await server.until("Uvicorn running")
            yield server
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_requests_in_flight_finish(tmp_path: Path, repository: Path, sent: signal.Signals) -> None:
    async with serving(tmp_path, repository, 20) as server:
        request = server.slow()
        await server.until("begun")
        server.process.send_signal(sent)
        await server.until("Waiting for connections to close")
        server.gate.touch()
        answer = await request
        assert (answer.status_code, answer.json()) == (200, "done")
        assert answer.headers["connection"] == "close"
        await server.until("closed")
        assert await server.process.wait() in {0, -sent}


async def test_the_drain_is_bounded_and_sends_waiting_calls_elsewhere(tmp_path: Path, repository: Path) -> None:
    async with serving(tmp_path, repository, 1) as server:
        request = server.slow()
        await server.until("begun")
        server.process.send_signal(signal.SIGTERM)
        await server.until("closed")
        answer = await request
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        await server.process.wait()


async def test_a_second_signal_ends_the_drain(tmp_path: Path, repository: Path) -> None:
    async with serving(tmp_path, repository, 60) as server:
        request = server.slow()
        await server.until("begun")
        server.process.send_signal(signal.SIGTERM)
        await server.until("Waiting for connections to close")
        server.process.send_signal(signal.SIGTERM)
        await server.process.wait()
        with pytest.raises(httpx.HTTPError):
            await request
