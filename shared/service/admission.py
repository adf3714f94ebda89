"""Places: so much is taken on at once, and whoever comes then is told at once.

A queue that is bounded by number alone makes everybody wait for work that nobody will wait for. What is turned away at
the door has cost nothing yet, and what is let in is answered soon.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import QueueFull
from shared.service.metrics import Metrics

CALM_S = 1.0
"""How long nothing must have been refused before a share is whole again."""


class Places:
    """A number of places, taken without waiting; for one event loop."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics, self._taken = most, metrics, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take one for the length of the block; QueueFull where there is none."""
        if self._taken >= self._open():
            self._metrics.rejected.inc()
            raise QueueFull(retry_after_s=1)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def _open(self) -> int:
        """How many may be taken at the moment."""
        return self._most


class Share(Places):
    """The places of one of several who share a larger number of them.

    Whoever wants more than there are gets half of them until the rush is over: what is refused has used up work that
    all share, and those who ask for little must still find places.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        super().__init__(most, metrics)
        self._refused_at = -CALM_S

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take one for the length of the block; QueueFull where there is none, which halves the share for a while."""
        if self._taken >= self._open():
            self._refused_at = time.monotonic()
        with super().taken():
            yield

    def _open(self) -> int:
        rush = time.monotonic() - self._refused_at < CALM_S
        return max(1, self._most // 2) if rush else self._most
