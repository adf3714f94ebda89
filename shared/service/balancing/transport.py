"""An httpx transport that spreads calls over the replicas behind one name, and leaves alone those that fail.

Kept-alive connections stick to whom they were opened to, so a name with several addresses (a headless Service of
Kubernetes, a service of Compose, `endpoint_mode: dnsrr` of Swarm) is resolved here, anew every other second, and each
address has connections of its own. Calls between services change nothing that a second call would change again, so one
that fails is made again elsewhere, within its deadline.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from types import MappingProxyType

import httpx

from shared.service.balancing.replica import Connect, Replica

RESOLVE_S = 2.0
"""How old a list of addresses may be."""

RECOVERY_S = 0.5
"""Pause between two questions whether a replica that failed is ready again."""

ATTEMPTS = 3

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Observe = Callable[[int, int], None]
"""Told of every change: replicas that are used, replicas that rest."""


async def addresses(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, as the resolver of this machine knows them; OSError where it knows none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class BalancedTransport(httpx.AsyncBaseTransport):
    """The replicas of one service; an httpx.AsyncClient of that service has it as its transport."""

    def __init__(
        self,
        base_url: str,
        connect: Connect,
        observe: Observe = lambda used, resting: None,
        resolve: Resolve = addresses,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._base, self._headers = httpx.URL(base_url), headers
        self._connect, self._observe, self._resolve = connect, observe, resolve
        self._replicas: dict[str, Replica] = {}
        self._resolved_at = -RESOLVE_S
        self._resolving: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._turns = count(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of whoever is least busy; of another where that one fails or cannot serve at the moment."""
        await request.aread()  # a body that can be sent twice
        tried: list[Replica] = []
        while True:
            replica = await self._choose(request, tried)
            tried.append(replica)
            try:
                response = await replica.answer(request)
            except httpx.TransportError:
                self._rest(replica)
                if not await self._another(tried):
                    raise
            else:
                if response.status_code != 503 or not await self._another(tried):
                    return response
                self._rest(replica)

    async def aclose(self) -> None:
        """Close the connections to all replicas."""
        for task in (*self._background, *([self._resolving] if self._resolving else [])):
            task.cancel()
        for replica in self._replicas.values():
            await replica.close()

    async def _choose(self, request: httpx.Request, tried: Sequence[Replica]) -> Replica:
        await self._look_up()
        known = [replica for replica in self._replicas.values() if replica not in tried]
        if not known:
            raise httpx.ConnectError("the name has no address", request=request)
        # where all rest, one of them may have come back, and a call that fails is no worse than a refusal
        candidates = [replica for replica in known if not replica.resting] or known
        chosen = min(candidates, key=lambda replica: (replica.in_flight, replica.used))
        chosen.used = next(self._turns)
        return chosen

    async def _another(self, tried: Sequence[Replica]) -> bool:
        """Whether there is a replica to try next; asks the resolver again where all that are known have failed."""
        if len(tried) >= ATTEMPTS:
            return False
        if all(replica in tried for replica in self._replicas.values()):
            await self._look_up(at_once=True)
        return any(replica not in tried for replica in self._replicas.values())

    async def _look_up(self, *, at_once: bool = False) -> None:
        """Keep the addresses fresh; wait for that only where there are none."""
        if at_once or time.monotonic() - self._resolved_at >= RESOLVE_S:
            if self._resolving is None or self._resolving.done():
                self._resolving = asyncio.create_task(self._refresh())
            if at_once or not self._replicas:
                await asyncio.shield(self._resolving)

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(RESOLVE_S):
                found = await self._resolve(self._base.host, self._base.port or 80)
        except OSError:  # a resolver that fails for a moment is no reason to forget those that answer
            return
        self._resolved_at = time.monotonic()
        for address in found:
            if address not in self._replicas:
                self._replicas[address] = Replica(self._base, address, self._connect, self._headers)
        for address in set(self._replicas) - set(found):
            self._in_background(self._replicas.pop(address).retire())
        self._report()

    def _rest(self, replica: Replica) -> None:
        """Leave a replica alone until it is ready."""
        if not replica.resting:
            replica.resting = True
            self._report()
            self._in_background(self._recover(replica))

    async def _recover(self, replica: Replica) -> None:
        while replica in self._replicas.values():
            if await replica.ready():
                replica.resting = False
                break
            await asyncio.sleep(RECOVERY_S)
        self._report()

    def _report(self) -> None:
        resting = sum(replica.resting for replica in self._replicas.values())
        self._observe(len(self._replicas) - resting, resting)

    def _in_background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
