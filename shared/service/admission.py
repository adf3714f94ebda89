"""Places: so much is taken on at once, and whoever comes then is told at once.

A queue that is bounded by number alone makes everybody wait for work that nobody will wait for. What is turned away at
the door has cost nothing yet, and what is let in is answered soon.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import QueueFull
from shared.service.metrics import Metrics


class Places:
    """A number of places, taken without waiting; for one event loop."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics, self._taken = most, metrics, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take one for the length of the block; QueueFull where there is none."""
        if self._taken >= self._most:
            self._metrics.rejected.inc()
            raise QueueFull(retry_after_s=1)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
