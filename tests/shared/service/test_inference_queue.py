from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.errors import DeadlineExceeded, QueueFull, Unavailable
from shared.service import inference_queue as queue_module
from shared.service.context import Deadline
from shared.service.inference_queue import InferenceQueue
from shared.service.metrics import Metrics

SOON = 50


def later() -> Deadline:
    return Deadline.after(30_000)


@asynccontextmanager
async def opened(resources: list[str], capacity: int = 8, metrics: Metrics | None = None) -> AsyncIterator[Queue]:
    queue = Queue(resources, capacity, metrics or Metrics())
    try:
        yield queue
    finally:
        queue.gate.set()
        await queue.close()


class Queue(InferenceQueue[str]):
    """A queue with work that waits for `gate`."""

    def __init__(self, resources: list[str], capacity: int, metrics: Metrics) -> None:
        super().__init__(resources, capacity, metrics)
        self.gate = threading.Event()
        self.begun: list[str] = []

    def blocked(self, name: str) -> asyncio.Task[str]:
        """Work under way, or waiting for it."""

        def work(resource: str) -> str:
            self.begun.append(name)
            self.gate.wait(20)
            return resource

        async def run() -> str:
            return await self.run(work, later())

        return asyncio.create_task(run())

    async def until_begun(self, count: int) -> None:
        while len(self.begun) < count:  # noqa: ASYNC110 - it begins in another thread
            await asyncio.sleep(0.001)


async def test_work_gets_a_resource_and_its_result_comes_back() -> None:
    async with opened(["session"]) as queue:
        result = await queue.run(str.upper, later())
    assert result == "SESSION"


async def test_work_runs_off_the_event_loop() -> None:
    async with opened(["session"]) as queue:
        thread = await queue.run(lambda _: threading.current_thread(), later())
    assert thread is not threading.current_thread()


async def test_no_two_pieces_of_work_share_a_resource() -> None:
    async with opened(["first", "second"]) as queue:
        tasks = [queue.blocked("a"), queue.blocked("b"), queue.blocked("c")]
        await queue.until_begun(2)
        await asyncio.sleep(0.02)
        assert len(queue.begun) == 2
        queue.gate.set()
        assert set(await asyncio.gather(*tasks)) == {"first", "second"}


async def test_a_full_queue_refuses_at_once_with_a_retry_time() -> None:
    metrics = Metrics()
    async with opened(["session"], capacity=1, metrics=metrics) as queue:
        running = queue.blocked("a")
        await queue.until_begun(1)
        waiting = queue.blocked("b")
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refusal:
            await queue.run(str.upper, later())
        assert refusal.value.retry_after_s == 1
        assert sample(metrics, "medreid_queue_rejected_total") == 1
        assert sample(metrics, "medreid_queue_depth") == 1
        queue.gate.set()
        await asyncio.gather(running, waiting)
        assert sample(metrics, "medreid_queue_depth") == 0
        assert await queue.run(str.upper, later()) == "SESSION"


async def test_work_past_its_deadline_is_not_even_queued() -> None:
    async with opened(["session"]) as queue:
        with pytest.raises(DeadlineExceeded):
            await queue.run(str.upper, Deadline.after(0))


async def test_work_whose_deadline_passes_in_the_queue_never_begins() -> None:
    async with opened(["session"]) as queue:
        running = queue.blocked("a")
        await queue.until_begun(1)
        with pytest.raises(DeadlineExceeded):
            await queue.run(lambda _: queue.begun.append("late"), Deadline.after(SOON))
        queue.gate.set()
        await running
    assert queue.begun == ["a"]


async def test_a_caller_waits_for_running_work_until_the_deadline() -> None:
    async with opened(["session"]) as queue:
        with pytest.raises(DeadlineExceeded):
            await queue.run(lambda _: queue.gate.wait(20), Deadline.after(SOON))


async def test_an_error_reaches_the_caller_and_frees_the_resource() -> None:
    async with opened(["session"]) as queue:
        with pytest.raises(ZeroDivisionError):
            await queue.run(lambda _: 1 // 0, later())
        assert await queue.run(str.upper, later()) == "SESSION"


async def test_a_part_of_the_work_is_done_beside_it() -> None:
    done = threading.Event()
    async with opened(["a"]) as queue:

        def work(_: str) -> bool:
            beside = queue.beside(lambda: done.wait(20))
            done.set()
            return beside.result()

        assert await queue.run(work, later())


async def test_closing_finishes_accepted_work_and_accepts_no_more() -> None:
    async with opened(["session"]) as queue:
        tasks = [queue.blocked("a"), queue.blocked("b")]
        await queue.until_begun(1)
        closing = asyncio.create_task(queue.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await queue.run(str.upper, later())
        queue.gate.set()
        await closing
        assert await asyncio.gather(*tasks) == ["session", "session"]


async def test_waiting_and_inference_are_measured() -> None:
    metrics = Metrics()
    async with opened(["session"], metrics=metrics) as queue:
        await queue.run(str.upper, later())
    assert sample(metrics, "medreid_queue_wait_seconds_count") == 1
    assert sample(metrics, "medreid_inference_seconds_count") == 1


def sample(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(name)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows threads with a priority of their own")
async def test_threads_yield_to_others_where_they_are_told_to() -> None:
    def niceness(_: str = "") -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    found = {}
    for yields in (0, 1):
        queue = InferenceQueue(["session"], 8, Metrics(), yields=yields)
        found[yields] = await queue.run(niceness, later()) - niceness()
        await queue.close()
    assert found == {0: 0, 1: 1}


async def test_a_queue_at_rest_gives_memory_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(queue_module, "REST_S", 0.05)
    monkeypatch.setattr(queue_module, "release_free_memory", lambda: given.append(threading.current_thread().name))
    async with opened(["a"]) as queue:
        queue.gate.set()
        for name in ("first", "second"):
            await queue.blocked(name)
        assert given == []
        await asyncio.sleep(0.3)
    assert len(given) == 1
    assert given[0].startswith("inference")  # off the event loop


async def test_a_queue_at_work_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(queue_module, "REST_S", 0.05)
    monkeypatch.setattr(queue_module, "release_free_memory", lambda: given.append(1))
    async with opened(["a", "b"]) as queue:
        waiting = queue.blocked("long")
        await asyncio.sleep(0.2)
        assert given == []
        queue.gate.set()
        await waiting
    await asyncio.sleep(0.2)  # closed: nothing is begun any more
    assert given == []
