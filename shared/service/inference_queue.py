"""The bounded queue in front of a model."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from shared.errors import DeadlineExceeded, QueueFull, Unavailable
from shared.service.allocator import release_free_memory
from shared.service.context import Deadline
from shared.service.metrics import Metrics

REST_S = 1.0
"""Seconds without work after which freed memory is given back to the system."""

Resource = TypeVar("Resource")
Result = TypeVar("Result")


class InferenceQueue(Generic[Resource]):
    """Run functions on resources such as model sessions, with one thread for each resource.

    Inference takes a core for milliseconds, so on the event loop it would stop every other request. The loop's default
    pool has more threads than there are sessions, and two threads must not share a session.
    """

    def __init__(self, resources: list[Resource], capacity: int, metrics: Metrics, *, yields: int = 0) -> None:
        """Start the threads.

        Args:
            resources: One thread is started for each.
            capacity: Requests that may wait for a resource.
            metrics: Receives waiting times, running times and refusals.
            yields: Added to the niceness of the threads (setpriority(2)), so that the event loop goes first.
        """
        self._free = list(resources)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(len(resources), "inference", _yield_to_others, (yields,))
        self._helpers = ThreadPoolExecutor(len(resources), "helper", _yield_to_others, (yields,))
        self._running, self._capacity, self._waiting, self._metrics = len(resources), capacity, 0, metrics
        self._closed = False
        self._rest: asyncio.TimerHandle | None = None

    async def run(self, function: Callable[[Resource], Result], deadline: Deadline) -> Result:
        """Wait for a free resource and return `function(resource)`.

        Raises:
            QueueFull: `capacity` requests are waiting.
            DeadlineExceeded: The deadline passes first. Late work is not begun.
            Unavailable: The queue is closed.
        """
        if self._closed:
            raise Unavailable("This instance is shutting down. Try again; another one will answer.", retry_after_s=1)
        if self._waiting >= self._capacity + self._running:
            self._metrics.rejected.inc()
            raise QueueFull(retry_after_s=1)
        deadline.check()
        self._count(1)
        try:
            future = asyncio.get_running_loop().run_in_executor(
                self._pool, self._call, function, deadline, time.perf_counter()
            )
            return await asyncio.wait_for(future, deadline.remaining_s)
        except TimeoutError:
            raise DeadlineExceeded from None
        finally:
            self._count(-1)

    def beside(self, function: Callable[[], Result]) -> Future[Result]:
        """Run a part of the work in a second thread, so that it can use another core.

        Only functions that `run` calls may use it. Each resource has one such thread, so the part begins at once.
        The caller must wait for its result.
        """
        return self._helpers.submit(function)

    def _count(self, change: int) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self._waiting += change
        self._rest = None if self._waiting else asyncio.get_running_loop().call_later(REST_S, self._at_rest)
        self._metrics.queue_depth.set(max(0, self._waiting - self._running))

    def _at_rest(self) -> None:
        self._rest = None
        if not self._closed:
            self._pool.submit(release_free_memory)

    def _call(self, function: Callable[[Resource], Result], deadline: Deadline, queued: float) -> Result:
        begun = time.perf_counter()
        deadline.check()
        with self._lock:
            resource = self._free.pop()
        try:
            value = function(resource)
        finally:
            with self._lock:
                self._free.append(resource)
        self._metrics.queue_wait.observe(begun - queued)
        self._metrics.inference.observe(time.perf_counter() - begun)
        return value

    async def close(self) -> None:
        """Refuse new work and finish the rest. Deadlines limit how long that takes."""
        self._closed = True
        if self._rest is not None:
            self._rest.cancel()
        for pool in (self._pool, self._helpers):  # the threads that ask for help end first
            await asyncio.to_thread(pool.shutdown, wait=True)


def _yield_to_others(yields: int) -> None:
    """Raise the niceness of the calling thread. Only Linux has a niceness for each thread."""
    if yields and sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + yields)
