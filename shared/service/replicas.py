"""The replicas behind one DNS name: which one gets the next call, and which ones rest after a failure.

A kept-alive connection stays with one replica, so a name with several addresses is resolved here and each call chooses
an address. Such names are a headless Service of Kubernetes, a service of Compose, or `endpoint_mode: dnsrr` of Swarm.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

RESOLVE_S = 2.0
"""Seconds after which the name is resolved again."""

RECOVERY_S = 0.5
"""Seconds between two questions whether a resting replica is ready again."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
Observe = Callable[[int, int], None]
"""Told of every change: number of replicas in use, number of resting replicas."""


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return all addresses of a name; raises OSError if the resolver knows none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(eq=False)
class Replica:
    """One address of a service."""

    address: str
    in_flight: int = 0
    used_at: float = 0.0
    resting: bool = False


class ReplicaSet:
    """Choose the least busy replica; let one that failed rest until `is_ready` says that it serves again."""

    def __init__(
        self, host: str, port: int, is_ready: Callable[[Replica], Awaitable[bool]], resolve: Resolve, observe: Observe
    ) -> None:
        self._host, self._port = host, port
        self._is_ready, self._resolve, self._observe = is_ready, resolve, observe
        self._replicas: dict[str, Replica] = {}
        self._resolved_at = float("-inf")
        self._resolving: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def choose(self, tried: Sequence[Replica]) -> Replica | None:
        """Return a replica that is not among `tried`, or None. A resting one is chosen only if no other is left."""
        await self._refresh(at_once=not self._replicas)
        if not self._untried(tried):  # their addresses may have changed a moment ago
            await self._refresh(at_once=True)
        untried = self._untried(tried)
        awake = [replica for replica in untried if not replica.resting]
        if not untried:
            return None
        chosen = min(awake or untried, key=lambda replica: (replica.in_flight, replica.used_at))
        chosen.used_at = time.monotonic()
        return chosen

    def rest(self, replica: Replica) -> None:
        """Do not use a replica until it is ready again."""
        if not replica.resting:
            replica.resting = True
            self._report()
            self._in_background(self._recover(replica))

    async def close(self) -> None:
        """End what runs in the background."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _untried(self, tried: Sequence[Replica]) -> list[Replica]:
        return [replica for replica in self._replicas.values() if replica not in tried]

    async def _refresh(self, *, at_once: bool) -> None:
        """Resolve the name again if it is time; wait for the result only if `at_once`."""
        if at_once or time.monotonic() - self._resolved_at >= RESOLVE_S:
            if self._resolving is None or self._resolving.done():
                self._resolving = self._in_background(self._look_up())
            if at_once:
                await asyncio.wait({self._resolving})

    async def _look_up(self) -> None:
        with suppress(OSError):  # TimeoutError is one; what was known stays known
            async with asyncio.timeout(RESOLVE_S):
                found = await self._resolve(self._host, self._port)
            self._replicas = {address: self._replicas.get(address) or Replica(address) for address in found}
            self._resolved_at = time.monotonic()
            self._report()

    async def _recover(self, replica: Replica) -> None:
        while replica in self._replicas.values() and not await self._is_ready(replica):  # noqa: ASYNC110
            await asyncio.sleep(RECOVERY_S)
        replica.resting = False
        self._report()

    def _report(self) -> None:
        resting = sum(replica.resting for replica in self._replicas.values())
        self._observe(len(self._replicas) - resting, resting)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
