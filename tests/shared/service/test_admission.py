from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from shared.errors import QueueFull
from shared.service import admission
from shared.service.admission import Door, Share
from shared.service.metrics import Metrics


def take(places: Share, wanted: int) -> ExitStack:
    """As many as are wanted, or as there are."""
    held = ExitStack()
    try:
        for _ in range(wanted):
            held.enter_context(places.taken())
    except QueueFull:
        pass
    return held


def free(places: Share) -> int:
    """How many could be taken now."""
    number = 0
    with ExitStack() as held:
        while number < 100:
            try:
                held.enter_context(places.taken())
            except QueueFull:
                return number
            number += 1
    return number


def test_there_are_so_many_places_and_they_come_back() -> None:
    places = Share(3, Metrics())
    with take(places, 2):
        assert free(places) == 1
    assert free(places) == 3


def test_a_refusal_says_when_to_come_again_and_is_counted() -> None:
    metrics = Metrics()
    share = Share(1, metrics)
    with take(share, 1), pytest.raises(QueueFull) as refused, share.taken():
        pass
    assert refused.value.retry_after_s == 1
    assert metrics.registry.get_sample_value("medreid_queue_rejected_total") == 1


def test_whoever_does_not_ask_for_more_has_the_whole_share() -> None:
    share = Share(6, Metrics())
    for _ in range(3):
        with take(share, 6):
            pass
    with take(share, 5):
        assert free(share) == 1


def test_every_refusal_halves_the_share_and_answers_bring_it_back() -> None:
    share = Share(6, Metrics())
    with take(share, 7):
        assert share.size == 3
        assert free(share) == 0  # which was one more refusal
        assert share.size == 1
    for _ in range(20):
        with take(share, 1):
            pass
    assert share.size == 6


def test_the_smallest_share_stays_one() -> None:
    share = Share(1, Metrics())
    assert [free(share), free(share)] == [1, 1]


async def enter(door: Door, number: int, who: str = "") -> list[asyncio.Task[None]]:
    """So many at once, after all of them have come as far as they come by themselves."""
    tasks = [asyncio.create_task(door.enter(who)) for _ in range(number)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def states(tasks: list[asyncio.Task[None]]) -> str:
    """A letter for each: let in, waiting, refused."""
    return "".join("w" if not task.done() else "r" if task.exception() else "i" for task in tasks)


async def test_a_moments_rush_waits_at_the_door_and_is_let_in_by_turns() -> None:
    metrics = Metrics()
    door = Door(2, metrics)
    tasks = await enter(door, 4)
    assert states(tasks) == "iiww"
    door.leave()
    await asyncio.sleep(0)
    assert states(tasks) == "iiiw"
    door.leave()
    await asyncio.sleep(0)
    assert states(tasks) == "iiii"
    assert metrics.registry.get_sample_value("medreid_queue_rejected_total") == 0


async def test_where_the_line_is_full_few_wait_until_the_rush_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "HASTE_S", 0.05)
    door = Door(4, Metrics())
    tasks = await enter(door, 9)
    assert states(tasks) == "iiiiwwwwr"
    for _ in range(8):  # those who were told to wait are let in all the same
        door.leave()
        await asyncio.sleep(0)
    assert states(tasks) == "iiiiiiiir"
    rush = await enter(door, 5)
    assert states(rush) == "iiwwr"
    await asyncio.sleep(0.1)
    assert states(rush) == "iirrr"  # after a moment
    monkeypatch.setattr(admission, "CALM_S", 0.0)
    assert states(await enter(door, 3)) == "iiw"


async def test_in_a_rush_a_place_that_comes_free_is_taken_by_one_who_waits() -> None:
    door = Door(4, Metrics())
    await enter(door, 9)
    for _ in range(8):
        door.leave()
        await asyncio.sleep(0)
    rush = await enter(door, 4)
    assert states(rush) == "iiww"
    door.leave()
    await asyncio.sleep(0)
    assert states(rush) == "iiiw"


class Clock:
    """Time that goes on when it is told to, in place of the module `time`."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(admission, "time", clock)
    return clock


async def test_a_line_may_grow_as_slowly_as_by_the_number_of_places_a_second(clock: Clock) -> None:
    door = Door(4, Metrics())
    assert states(await enter(door, 8)) == "iiiiwwww"
    clock.now += 0.25
    assert states(await enter(door, 2)) == "wr"


async def test_how_long_a_line_may_be_is_counted_anew_when_nobody_waited(clock: Clock) -> None:
    door = Door(4, Metrics())
    tasks = await enter(door, 8)
    clock.now += 0.25
    for _ in range(4):
        door.leave()
        await asyncio.sleep(0)
    assert states(tasks) == "iiiiiiii"
    assert states(await enter(door, 5)) == "wwwwr"


async def test_while_nothing_is_answered_many_more_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(2, Metrics())
    tasks = await enter(door, 4)
    assert states(tasks) == "iiww"
    monkeypatch.setattr(admission, "STALL_S", 0.0)
    tasks += await enter(door, admission.CROWD * 2 - 2)
    monkeypatch.undo()  # answers come again, and what has gathered may still be waiting
    door.leave()
    tasks += await enter(door, 2)
    assert states(tasks) == "iii" + "w" * (admission.CROWD * 2) + "r"
    for _ in range(admission.CROWD * 2 + 1):  # one of the two places is closed now
        door.leave()
        await asyncio.sleep(0)
    assert states(tasks) == "i" * (admission.CROWD * 2 + 3) + "r"


async def test_after_a_stall_the_door_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(1, Metrics())
    await enter(door, 1)
    monkeypatch.setattr(admission, "STALL_S", 0.0)
    waiting = await enter(door, 2)
    assert states(waiting) == "ww"
    monkeypatch.undo()
    for _ in range(2):
        door.leave()
        await asyncio.sleep(0)
    monkeypatch.setattr(admission, "RECOVERY_S", 0.0)
    assert states(await enter(door, 2)) == "wr"


async def test_an_idle_door_has_not_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "STALL_S", 0.05)
    door = Door(1, Metrics())
    await asyncio.sleep(0.1)
    assert states(await enter(door, 3)) == "iwr"


async def test_whoever_waits_in_vain_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE_S", 0.01)
    door = Door(1, Metrics())
    await door.enter()
    with pytest.raises(QueueFull) as refused:
        await door.enter()
    assert refused.value.retry_after_s == 1
    door.leave()
    await door.enter()


async def test_whoever_goes_away_while_waiting_takes_no_place() -> None:
    door = Door(1, Metrics())
    _, waiting = await enter(door, 2)
    waiting.cancel()
    door.leave()  # in the same moment
    await asyncio.wait({waiting})
    assert states(await enter(door, 1)) == "i"


async def test_whoever_goes_away_as_the_place_comes_passes_it_on() -> None:
    door = Door(1, Metrics())
    _, waiting = await enter(door, 2)
    door.leave()
    waiting.cancel()  # before it has seen that the place is its own
    await asyncio.wait({waiting})
    assert states(await enter(door, 1)) == "i"


async def test_a_rush_of_one_caller_is_not_another_callers() -> None:
    door = Door(4, Metrics())
    flood = await enter(door, 9, "flood")
    assert states(flood) == "iiiiwwwwr"
    assert states(await enter(door, 1, "flood")) == "r"
    ward = await enter(door, 2, "ward")
    assert states(ward) == "ww"
    for _ in range(3):  # who has fewest places comes first, and two of four are open now
        door.leave("flood")
        await asyncio.sleep(0)
    assert (states(flood), states(ward)) == ("iiiiwwwwr", "iw")


async def test_while_others_ask_those_in_a_rush_share_an_eighth_of_the_places() -> None:
    door = Door(8, Metrics())
    flood = await enter(door, 17, "flood")
    ward = await enter(door, 1, "ward")
    for _ in range(8):
        door.leave("flood")
        await asyncio.sleep(0)
    assert states(ward) == "i"
    assert states(flood) == "i" * 9 + "w" * 7 + "r"  # one of eight
    assert states(await enter(door, 2, "ward")) == "ii"
    door.leave("flood")
    await asyncio.sleep(0)
    assert states(flood) == "i" * 9 + "w" * 7 + "r"  # and the next one when the ward has none
    for _ in range(3):
        door.leave("ward")
        await asyncio.sleep(0)
    assert states(flood) == "i" * 10 + "w" * 6 + "r"


async def test_those_in_a_rush_are_let_in_now_and_then_however_much_others_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "SPARING_S", 0.05)
    door = Door(8, Metrics())
    flood = await enter(door, 17, "flood")
    await enter(door, 1, "ward")
    for _ in range(9):
        door.leave("flood")
        await asyncio.sleep(0)
    assert states(flood) == "i" * 9 + "w" * 7 + "r"
    await asyncio.sleep(0.06)
    await enter(door, 1, "ward")
    assert states(flood) == "i" * 10 + "w" * 6 + "r"


async def test_while_others_ask_nobody_takes_more_than_half_of_the_places() -> None:
    door = Door(8, Metrics())
    await enter(door, 1, "ward")
    many = await enter(door, 6, "many")
    assert states(many) == "iiiiww"
    assert states(await enter(door, 4, "ward")) == "iiiw"
    door.leave("many")
    await asyncio.sleep(0)
    assert states(many) == "iiiiiw"


async def test_who_is_refused_behind_the_door_shares_it_too_but_goes_on_waiting() -> None:
    door = Door(8, Metrics())
    await enter(door, 3, "flood")
    door.leave("flood", refused=True)
    assert states(await enter(door, 1, "flood")) == "i"  # nobody else asks
    assert states(await enter(door, 1, "ward")) == "i"
    more = await enter(door, 2, "flood")
    assert states(more) == "ww"
    for _ in range(3):
        door.leave("flood")
        await asyncio.sleep(0)
    assert states(more) == "ww"
    assert states(await enter(door, 3, "ward")) == "iii"
    for _ in range(4):
        door.leave("ward")
        await asyncio.sleep(0)
    assert states(more) == "iw"  # one of eight


async def test_places_come_back_to_a_rush_when_nobody_else_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(8, Metrics())
    flood = await enter(door, 17, "flood")
    await enter(door, 1, "ward")
    for _ in range(8):
        door.leave("flood")
    monkeypatch.setattr(admission, "CALM_S", 0.0)
    door.leave("ward")
    await asyncio.sleep(0)
    assert states(flood) == "i" * 16 + "r"


async def test_whoever_has_not_asked_for_a_while_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(2, Metrics())
    await enter(door, 1, "ward")
    door.leave("ward")
    monkeypatch.setattr(admission, "CALM_S", 0.0)
    await enter(door, 1, "flood")
    assert set(door._callers) == {"flood"}


async def test_whoever_was_refused_after_a_long_wait_is_not_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PATIENCE_S", 0.05)
    monkeypatch.setattr(admission, "CALM_S", 0.04)
    door = Door(1, Metrics())
    await door.enter("ward")
    with pytest.raises(QueueFull):
        await door.enter("flood")
    assert states(await enter(door, 2, "flood")) == "wr"  # in a rush fewer may wait
