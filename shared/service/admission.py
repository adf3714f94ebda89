"""Places: so much is taken on at once, and whoever comes then is told at once.

A queue that is bounded by number alone makes everybody wait for work that nobody will wait for. What is turned away at
the door has cost nothing yet, and what is let in is answered soon.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import QueueFull
from shared.service.metrics import Metrics

CALM_S = 1.0
"""How long nothing must have been refused before a share, or the door, is whole again."""

PATIENCE_S = 2.0
"""How long one waits at the door for a place. It bridges a moment in which the machine is slow."""

STALL_S = 0.3
"""Without an answer for so long, everything stands still, as while a disk does not take what must be written."""

RECOVERY_S = 5.0
"""How long after a stall what has gathered may be waiting."""

CROWD = 8
"""Times as many as there are places may wait then."""


class Share:
    """The places of one of several who share a larger number of them; taken without waiting, for one event loop.

    It halves with every refusal and grows by one when that many have been answered, as TCP finds its share of a line
    (V. Jacobson, "Congestion Avoidance and Control", 1988): what is refused has used up work that all share, and those
    who ask for little must still find places.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics, self._taken = most, metrics, 0
        self._share = float(most)

    @property
    def size(self) -> int:
        """How many places it is at the moment."""
        return int(self._share)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for the length of the block; QueueFull where there is none, which halves the share."""
        if self._taken >= self.size:
            self._share = max(1.0, self._share / 2)
            raise _refusal(self._metrics)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
        self._share = min(float(self._most), self._share + 1 / self._share)


class Door:
    """The places of everybody who brings a body; they are taken before it is read. For one event loop.

    As long as nobody had to be refused, as many as there are places may wait for one, and many more while nothing is
    answered at all: a busy machine stalls now and then, and what has gathered meanwhile is soon done. Who waits in
    vain, or finds the waiting full, is refused, and that is a rush: a quarter of the places is closed then, and nobody
    waits, since a line that never empties only makes everybody late. (B. Maurer, "Fail at Scale", ACM Queue 13(8),
    2015: patience after an empty queue, hardly any otherwise.)
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics, self._taken = most, metrics, 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refused_at, self._stalled_at, self._moved_at = -CALM_S, -RECOVERY_S, 0.0

    async def enter(self) -> None:
        """Take a place, which `leave` gives back; QueueFull where there is none in time."""
        if self._taken < self._open() and not self._waiting:
            if not self._taken:
                self._moved_at = time.monotonic()
            self._taken += 1
        elif self._rush() or len(self._waiting) >= self._room():
            raise self._refusal()
        else:
            await self._wait()

    def leave(self) -> None:
        """Give the place to whoever has waited longest, unless there are fewer places by now."""
        self._taken -= 1
        self._moved_at = time.monotonic()
        while self._waiting and self._taken < self._open():
            place = self._waiting.popleft()
            if not place.done():
                self._taken += 1
                place.set_result(None)

    async def _wait(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await place
        except BaseException as end:
            if place.done() and not place.cancelled():  # it came in the same moment
                self.leave()
            elif place in self._waiting:
                self._waiting.remove(place)
            if isinstance(end, TimeoutError):
                raise self._refusal() from None
            raise

    def _open(self) -> int:
        return self._most - self._most // 4 if self._rush() else self._most

    def _room(self) -> int:
        """How many may wait."""
        now = time.monotonic()
        if now - self._moved_at > STALL_S:
            self._stalled_at = now
        return self._most * CROWD if now - self._stalled_at < RECOVERY_S else self._most

    def _rush(self) -> bool:
        return time.monotonic() - self._refused_at < CALM_S

    def _refusal(self) -> QueueFull:
        self._refused_at = time.monotonic()
        return _refusal(self._metrics)


def _refusal(metrics: Metrics) -> QueueFull:
    metrics.rejected.inc()
    return QueueFull(retry_after_s=1)
