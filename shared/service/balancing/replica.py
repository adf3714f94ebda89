"""One replica of a service: what is under way there, and whether it is alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx

SUSPICION_S = 0.5
"""An answer that takes longer is asked after: the replica may be busy, or it may hang."""

PULSE_S = 1.0
"""How long a replica may take to say that it is alive; its event loop is never busy for that long."""

Connect = Callable[[str], httpx.AsyncBaseTransport]
"""Makes the connections to the replica at an address, whatever name a call is for; tests put functions in its place."""


class Hung(httpx.ReadError):
    """The replica does not even answer whether it is alive."""


class Replica:
    """One address of a service."""

    def __init__(self, base: httpx.URL, address: str, connect: Connect, headers: Mapping[str, str]) -> None:
        self._base, self._headers = base, headers
        self._transport, self._probes = connect(address), connect(address)
        self._pulse: asyncio.Task[bool] | None = None
        self.in_flight = 0
        self.used = 0
        """Larger for whoever was used later."""
        self.resting = False
        """Left alone until it is ready again."""
        self._idle = asyncio.Event()
        self._idle.set()

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """The whole answer; raises httpx.TransportError, Hung where the replica stopped in the middle of it."""
        self.in_flight += 1
        self._idle.clear()
        try:
            async with asyncio.timeout(None) as patience, self._watched(patience):
                response = await self._transport.handle_async_request(request)
                await response.aread()
                return response
        except TimeoutError:
            if not patience.expired():
                raise
            raise Hung("the replica hangs", request=request) from None
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()

    @asynccontextmanager
    async def _watched(self, patience: asyncio.Timeout) -> AsyncIterator[None]:
        """End the patience with a block that takes suspiciously long, once the replica no longer says it is alive."""
        loop = asyncio.get_running_loop()
        watch: asyncio.Task[None] | None = None

        async def watching() -> None:
            while True:
                if not await self.alive():
                    patience.reschedule(loop.time())
                    break
                await asyncio.sleep(SUSPICION_S)

        def begin() -> None:
            nonlocal watch
            watch = loop.create_task(watching())

        timer = loop.call_later(SUSPICION_S, begin)
        try:
            yield
        finally:
            timer.cancel()
            if watch is not None:
                watch.cancel()

    async def alive(self) -> bool:
        """Whether it answers at all; whoever asks meanwhile gets the same answer."""
        if self._pulse is None or self._pulse.done():
            self._pulse = asyncio.create_task(self._ok("/health/live"))
        return await asyncio.shield(self._pulse)

    async def ready(self) -> bool:
        """Whether it would serve."""
        return await self._ok("/health/ready")

    async def _ok(self, path: str) -> bool:
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), PULSE_S)
        url = self._base.copy_with(path=path, query=None)
        request = httpx.Request("GET", url, headers=self._headers, extensions={"timeout": timeouts})
        try:
            async with asyncio.timeout(PULSE_S):
                response = await self._probes.handle_async_request(request)
                await response.aread()
        except (TimeoutError, httpx.TransportError):
            return False
        return response.status_code == 200

    async def retire(self) -> None:
        """Close its connections as soon as nothing is under way on them."""
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        if self._pulse is not None:
            self._pulse.cancel()
        await self._transport.aclose()
        await self._probes.aclose()
