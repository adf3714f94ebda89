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
from dataclasses import dataclass, field

from shared.errors import QueueFull
from shared.service.metrics import Metrics

CALM_S = 1.0
"""How long nothing must have been refused before a share, or the door, is whole again."""

SPARING_S = 1.0
"""How long at the most those who ask for too much wait until nobody else has a place."""

PATIENCE_S = 2.0
"""How long one waits at the door for a place. It bridges a moment in which the machine is slow."""

HASTE_S = 0.025
"""How long one waits in a rush: a refusal still comes at once, and a place that comes free is soon taken."""

STALL_S = 0.3
"""Without an answer for so long, everything stands still, as while a disk does not take what must be written."""

RECOVERY_S = 5.0
"""How long after a stall what has gathered may be waiting."""

CROWD = 8
"""Times as many as there are places may wait at the most: after a stall, or in a line that grew slowly."""


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


@dataclass(eq=False)
class _Caller:
    """Who has a place or asked for one lately."""

    held: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    asked_at: float = 0.0
    lined_up_at: float = 0.0
    refused_at: float = -CALM_S
    overdrawn_at: float = -CALM_S

    def rushes(self, now: float) -> bool:
        """Whether it has been refused at the door lately."""
        return now - self.refused_at < CALM_S

    def greedy(self, now: float) -> bool:
        """Whether it asks for more than it can get, here or of what is behind the door."""
        return self.rushes(now) or now - self.overdrawn_at < CALM_S


class Door:
    """The places of everybody who brings a body; they are taken before it is read. For one event loop.

    As long as a caller had not to be refused, as many of its requests as there are places may wait for one, as many
    more with each second that they wait, and many more at once while nothing is answered at all: a busy machine is
    slow for seconds now and then, and what has gathered meanwhile is soon done, while a line that grows faster is one
    of requests that nobody can serve. Who waits in vain, or finds the line full, is refused, and that is a rush: half
    of the places are closed then, and half as many requests may wait, for a moment that keeps the places taken, since
    a line that never empties only makes everybody late. (B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015: patience
    after an empty queue, hardly any otherwise.)

    As long as others ask, nobody takes more than half of the places, and a free one goes to the caller who has fewest.
    Callers who have been refused lately, here or by what is behind the door, then share an eighth of the places, and
    take one only while all others hold none, or when none of theirs was let in for a while: what must be read and
    decoded before its modality is known costs everybody.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._half, self._metrics, self._taken = most, (most + 1) // 2, metrics, 0
        self._callers: dict[str, _Caller] = {}
        self._stalled_at, self._moved_at = -RECOVERY_S, 0.0
        self._spared_at = -SPARING_S

    async def enter(self, who: str = "") -> None:
        """Take a place for a caller, which `leave` gives back; QueueFull where there is none in time."""
        now = time.monotonic()
        self._forget(now)
        self._let_in(now)  # what a rush had closed may be open again
        caller = self._callers.setdefault(who, _Caller())
        caller.asked_at = now
        if not caller.waiting and self._fits(caller, now):
            if not self._taken:
                self._moved_at = now
            self._take(caller, now)
        elif len(caller.waiting) >= self._room(caller, now):
            raise self._refusal(caller)
        else:
            await self._wait(who, caller, HASTE_S if caller.rushes(now) else PATIENCE_S)

    def leave(self, who: str = "", *, refused: bool = False) -> None:
        """Give a place of the caller to whoever waits and has fewest, unless there are fewer places by now.

        `refused` is whether something behind the door had no place for the request.
        """
        self._taken -= 1
        caller = self._callers[who]
        caller.held -= 1
        self._moved_at = now = time.monotonic()
        if refused:
            caller.overdrawn_at = now
        self._let_in(now)

    def _let_in(self, now: float) -> None:
        while fitting := [one for one in self._callers.values() if one.waiting and self._fits(one, now)]:
            caller = min(fitting, key=lambda one: one.held)
            place = caller.waiting.popleft()
            if not place.done():
                self._take(caller, now)
                place.set_result(None)

    def _take(self, caller: _Caller, now: float) -> None:
        self._taken += 1
        caller.held += 1
        if caller.greedy(now):
            self._spared_at = now

    async def _wait(self, who: str, caller: _Caller, patience_s: float) -> None:
        place = asyncio.get_running_loop().create_future()
        if not caller.waiting:
            caller.lined_up_at = caller.asked_at
        caller.waiting.append(place)
        try:
            async with asyncio.timeout(patience_s):
                await place
        except BaseException as end:
            if place.done() and not place.cancelled():  # it came in the same moment
                self.leave(who)
            elif place in caller.waiting:
                caller.waiting.remove(place)
            if isinstance(end, TimeoutError):
                raise self._refusal(caller) from None
            raise

    def _fits(self, caller: _Caller, now: float) -> bool:
        """Whether the caller may take one more place."""
        greedy = [one for one in self._callers.values() if one.greedy(now)]
        modest = [one for one in self._callers.values() if one not in greedy]
        if self._taken >= (self._half if any(one.rushes(now) for one in greedy) else self._most):
            return False
        if not any(now - one.asked_at < CALM_S for one in modest if one is not caller):
            return True
        if caller in modest:
            return caller.held < self._half
        if any(one.held for one in modest) and now - self._spared_at < SPARING_S:
            return False
        return sum(one.held for one in greedy) < max(1, self._most // 8)

    def _room(self, caller: _Caller, now: float) -> int:
        """How many of the caller's requests may wait."""
        if now - self._moved_at > STALL_S:
            self._stalled_at = now
        if caller.rushes(now):
            return self._half
        if now - self._stalled_at < RECOVERY_S:
            return self._most * CROWD
        lined_up_s = now - caller.lined_up_at if caller.waiting else 0.0
        return int(self._most * min(1.0 + lined_up_s, CROWD))

    def _refusal(self, caller: _Caller) -> QueueFull:
        caller.refused_at = time.monotonic()
        return _refusal(self._metrics)

    def _forget(self, now: float) -> None:
        """Let go of callers who have not asked for a while, so that they do not gather."""
        gone = [
            who
            for who, one in self._callers.items()
            if not (one.held or one.waiting or one.greedy(now)) and now - one.asked_at > CALM_S
        ]
        for who in gone:
            del self._callers[who]


def _refusal(metrics: Metrics) -> QueueFull:
    metrics.rejected.inc()
    return QueueFull(retry_after_s=1)
