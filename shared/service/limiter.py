"""Limit concurrent requests, fairly by caller."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial

from shared.errors import QueueFull
from shared.service.metrics import Metrics

MOST_EXPECTED, LONGEST_WAIT = 0.75, 0.9
"""Shares of a request's time: the longest expected wait with which it may queue, and the longest wait."""

SMOOTHING = 0.02
"""Least weight of the latest interval in the average time between two places for waiting requests."""


class UploadLimiter:
    """A semaphore whose queue is fair by caller and bounded by the requests' deadlines. For one event loop.

    A free place goes to the waiting caller who holds the fewest places, by turns if several hold as few. The last
    place is kept for a caller who holds none. A request is refused only if its expected wait is too long for its
    deadline: its position in the queue, times the average time between two places for waiting requests.
    """

    def __init__(self, places: int, metrics: Metrics) -> None:
        self.places, self._metrics = places, metrics
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._interval_s, self._granted_at, self._grants = 0.0, 0.0, 0

    async def acquire(self, caller_id: str, longest_s: float) -> Callable[[], None]:
        """Wait for a place; return the function that gives it back.

        Args:
            caller_id: Requests of one caller are served in order of arrival.
            longest_s: Seconds that the request may take, waiting included.

        Raises:
            QueueFull: The expected wait, or the real one, leaves too little time to serve the request.
        """
        if caller_id not in self._waiting and self._may_take(caller_id):
            self._held[caller_id] += 1
        else:
            too_long_s = self._expected_wait_s(caller_id) - MOST_EXPECTED * longest_s
            if too_long_s > 0:
                raise self._refusal(too_long_s)
            await self._wait(caller_id, LONGEST_WAIT * longest_s)
        return partial(self._release, caller_id)

    async def _wait(self, caller_id: str, patience_s: float) -> None:
        place = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._granted_at = time.monotonic()
        self._waiting.setdefault(caller_id, deque()).append(place)
        self._metrics.uploads_waiting.inc()
        try:
            async with asyncio.timeout(patience_s):
                await place
        except BaseException as end:
            if place.done() and not place.cancelled():  # the place was granted in the same moment
                self._release(caller_id)
            else:
                self._leave_queue(caller_id, place)
            raise self._refusal(self._interval_s) if isinstance(end, TimeoutError) else end from None
        finally:
            self._metrics.uploads_waiting.dec()

    def _release(self, caller_id: str) -> None:
        self._held[caller_id] -= 1
        if not self._held[caller_id]:
            del self._held[caller_id]
        while able := [waiting for waiting in self._waiting if self._may_take(waiting)]:
            chosen = min(able, key=lambda waiting: self._held[waiting])
            place = self._waiting[chosen][0]
            self._leave_queue(chosen, place)
            if not place.done():
                self._grants += 1
                self._interval_s += max(SMOOTHING, 1 / self._grants) * (self._since_grant_s() - self._interval_s)
                self._granted_at = time.monotonic()
                self._held[chosen] += 1
                place.set_result(None)

    def _leave_queue(self, caller_id: str, place: asyncio.Future[None]) -> None:
        """Take a request out of the queue and put its caller behind the others."""
        queue = self._waiting.pop(caller_id, deque())
        if place in queue:
            queue.remove(place)
        if queue:
            self._waiting[caller_id] = queue

    def _may_take(self, caller_id: str) -> bool:
        free = self.places - self._held.total()
        return free > (1 if self._held[caller_id] else 0)

    def _expected_wait_s(self, caller_id: str) -> float:
        """Return the seconds until a request that arrives now gets a place, if callers take turns."""
        own = len(self._waiting.get(caller_id, ()))
        before = sum(min(len(queue), own + 1) for other, queue in self._waiting.items() if other != caller_id)
        interval_s = max(self._interval_s, self._since_grant_s()) if self._waiting else self._interval_s
        return (own + before + 1) * interval_s

    def _since_grant_s(self) -> float:
        return time.monotonic() - self._granted_at

    def _refusal(self, too_long_s: float) -> QueueFull:
        self._metrics.rejected.inc()
        return QueueFull(retry_after_s=max(1, math.ceil(too_long_s)))
