from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from shared.errors import QueueFull
from shared.service.limiter import UploadLimiter
from shared.service.metrics import Metrics

PATIENT_S = 60.0


class Requests:
    """Requests at a limiter, in the order of their arrival; `served` says which got a place, in which order."""

    def __init__(self, places: int, metrics: Metrics | None = None) -> None:
        self.limiter = UploadLimiter(places, metrics or Metrics())
        self.served: list[str] = []
        self.releases: list[Callable[[], None]] = []

    async def _acquire(self, caller: str, longest_s: float) -> None:
        release = await self.limiter.acquire(caller, longest_s)
        self.served.append(caller)
        self.releases.append(release)

    async def arrive(self, *callers: str, longest_s: float = PATIENT_S) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._acquire(caller, longest_s)) for caller in callers]
        await self.settle()
        return tasks

    async def settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def finish_all(self) -> None:
        """Every request with a place ends, and so on until none is left."""
        while self.releases:
            self.releases.pop(0)()
            await self.settle()


def rejected(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("medreid_queue_rejected_total")


def waiting(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("medreid_uploads_waiting")


async def test_requests_beyond_the_places_wait_and_are_served() -> None:
    metrics = Metrics()
    requests = Requests(4, metrics)
    await requests.arrive(*["batch"] * 32)
    assert (len(requests.served), waiting(metrics)) == (3, 29)  # the last place is kept for another caller
    await requests.finish_all()
    assert (len(requests.served), waiting(metrics), rejected(metrics)) == (32, 0, 0)


async def test_a_new_caller_finds_a_place_at_once() -> None:
    requests = Requests(4)
    await requests.arrive(*["batch"] * 32)
    await requests.arrive("ward")
    assert requests.served == ["batch", "batch", "batch", "ward"]


async def test_the_only_place_is_for_anybody() -> None:
    requests = Requests(1)
    await requests.arrive("batch", "batch")
    await requests.finish_all()
    assert requests.served == ["batch", "batch"]


async def test_waiting_callers_take_turns() -> None:
    requests = Requests(1)
    await requests.arrive("batch", "batch", "batch", "ward", "clinic")
    await requests.finish_all()
    assert requests.served == ["batch", "batch", "ward", "clinic", "batch"]


async def test_a_place_goes_to_the_caller_who_holds_fewest() -> None:
    requests = Requests(6)
    await requests.arrive(*["batch"] * 7, "ward", "ward")
    for _ in range(2):  # both of the batch; the last free place is kept
        requests.releases.pop(0)()
    await requests.settle()
    assert requests.served == [*["batch"] * 5, "ward", "ward"]


async def test_a_request_with_too_long_an_expected_wait_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    requests = Requests(1, metrics)
    monkeypatch.setattr(requests.limiter, "_interval_s", 2.0)
    await requests.arrive(*["batch"] * 4, longest_s=10.0)  # expected waits: none, 2, 4 and 6 seconds of 7.5
    (refused,) = await requests.arrive("batch", longest_s=10.0)
    with pytest.raises(QueueFull) as refusal:
        refused.result()
    assert (refusal.value.retry_after_s, rejected(metrics)) == (1, 1)


async def test_a_long_queue_of_one_caller_does_not_count_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(1)
    monkeypatch.setattr(requests.limiter, "_interval_s", 1.0)
    await requests.arrive(*["batch"] * 8, longest_s=10.0)
    refused, queued = await requests.arrive("batch", "ward", longest_s=10.0)
    assert (refused.done(), queued.done()) == (True, False)
    assert isinstance(refused.exception(), QueueFull)


async def test_a_request_whose_time_runs_out_in_the_queue_is_refused() -> None:
    requests = Requests(1)
    await requests.arrive("batch")
    (late,) = await requests.arrive("ward", longest_s=0.02)
    await asyncio.wait({late})
    assert isinstance(late.exception(), QueueFull)
    await requests.finish_all()
    await requests.arrive("clinic")
    assert requests.served == ["batch", "clinic"]


@pytest.mark.parametrize("granted", [False, True])
async def test_a_request_that_goes_away_takes_no_place(*, granted: bool) -> None:
    requests = Requests(1)
    await requests.arrive("batch")
    (gone,) = await requests.arrive("ward")
    if granted:  # in the same moment
        requests.releases.pop()()
    gone.cancel()
    await asyncio.wait({gone})
    await requests.finish_all()
    await requests.arrive("clinic")
    assert requests.served == ["batch", "clinic"]


async def test_the_expected_wait_follows_how_often_places_come_free() -> None:
    requests = Requests(1)
    await requests.arrive("batch")
    for _ in range(50):
        await requests.arrive("batch")
        await asyncio.sleep(0.01)
        requests.releases.pop(0)()
        await requests.settle()
    (refused,) = await requests.arrive("batch", longest_s=0.012)
    assert isinstance(refused.exception(), QueueFull)


async def test_while_no_place_comes_free_the_expected_wait_grows() -> None:
    requests = Requests(1)
    await requests.arrive("batch", "batch")
    await asyncio.sleep(0.02)
    (refused,) = await requests.arrive("batch", longest_s=0.05)  # 2 places in the queue, at least 0.02 s each
    assert isinstance(refused.exception(), QueueFull)
