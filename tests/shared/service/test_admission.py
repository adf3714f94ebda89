from __future__ import annotations

from contextlib import ExitStack

import pytest

from shared.errors import QueueFull
from shared.service import admission
from shared.service.admission import Places, Share
from shared.service.metrics import Metrics


def take(places: Places, wanted: int) -> ExitStack:
    """As many as are wanted, or as there are."""
    held = ExitStack()
    try:
        for _ in range(wanted):
            held.enter_context(places.taken())
    except QueueFull:
        pass
    return held


def free(places: Places) -> int:
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
    places = Places(3, Metrics())
    with take(places, 2):
        assert free(places) == 1
    assert free(places) == 3


def test_a_refusal_says_when_to_come_again_and_is_counted() -> None:
    metrics = Metrics()
    with take(Places(1, metrics), 1), pytest.raises(QueueFull) as refused, Places(0, metrics).taken():
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


def test_whoever_asks_for_more_gets_half_until_the_rush_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    share = Share(6, Metrics())
    with take(share, 7):
        assert free(share) == 0
    assert free(share) == 3
    monkeypatch.setattr(admission, "CALM_S", 0.0)
    assert free(share) == 6


def test_the_smallest_share_stays_one() -> None:
    share = Share(1, Metrics())
    assert [free(share), free(share)] == [1, 1]
