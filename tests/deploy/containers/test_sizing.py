from collections import Counter
from collections.abc import Sequence

import pytest
from rich.console import Console

from deploy.containers import sizing
from deploy.containers.engine import Engine
from deploy.containers.sizing import CALLS, Sizing, Taken, show


class Kernel(Engine):
    """Every look at a control group costs it 60 ms, and it has grown by one MiB."""

    def __init__(self) -> None:
        super().__init__({})
        self.looks: Counter[str] = Counter()

    def docker(self, *arguments: str, stdin: str | None = None) -> str:
        _, container, _, file = arguments
        self.looks[container] += 1
        looks = self.looks[container]
        if file.endswith("cpu.stat"):
            return f"usage_usec {60_000 * looks}\nuser_usec 1"
        return f"anon {2**20 * looks}\nfile 5\nshmem {2**20}"


def test_work_is_counted_where_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "REST_S", 0.0)
    asked: list[str] = []
    monkeypatch.setattr(Sizing, "_identify", lambda _self, modality: asked.append(modality))
    services: Sequence[str] = ("gateway", "compa-service", "skin-service", "xray-service", "db")
    taken = Sizing(Kernel(), {name: name for name in services}, "", "").measure()
    assert "skin" in asked
    assert taken["skin-service"] == Taken(rest_mib=2.0, after_mib=5.0, milliseconds=60.0, calls=CALLS)
    assert taken["gateway"].calls == taken["db"].calls == CALLS * len(asked)
    assert taken["xray-service"] == Taken(rest_mib=2.0)


def test_a_service_without_samples_shows_its_memory_alone() -> None:
    console = Console(record=True, width=120)
    show({"xray-service": Taken(80.0), "gateway": Taken(70.0, 90.0, 600.0, 60)}, console)
    shown = console.export_text()
    assert "10.0" in shown
    assert "80" in shown
