import os

import psutil
import pytest

from benchmarks.load.plan import Plan, Sample
from benchmarks.load.worker import Worker
from benchmarks.systems.contenders import FLASK, FLOOR, Contender, cpu_seconds_between
from benchmarks.systems.peers.floor import CORES


class Told(Worker):
    """Remembers what it was told to do."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []

    def run(self, plan: Plan) -> list[Sample]:
        self.plans.append(plan)
        return []


@pytest.mark.parametrize(("name", "callers"), [(FLOOR, CORES), (FLASK, 8)])
def test_the_floor_has_a_thread_per_core(name: str, callers: int) -> None:
    worker = Told()
    Contender(name, Plan("http://there", (), 0.0), worker, list).saturate(["a.jpg"], 3.0, 8, first=5)
    assert worker.plans == [Plan("http://there", ["a.jpg"], 3.0, connections=callers, first=5)]


def test_arrivals_use_enough_connections() -> None:
    worker = Told()
    Contender(FLASK, Plan("http://there", (), 0.0, fields={"local": "1"}), worker, list).arrive(["a.jpg"], 3.0, 7.5)
    (plan,) = worker.plans
    assert (plan.rate, plan.fields) == (7.5, {"local": "1"})
    assert plan.connections >= 1000


def test_cpu_counts_new_processes_and_skips_ended_ones() -> None:
    assert cpu_seconds_between({1: 10.0, 2: 5.0}, {1: 12.0, 3: 0.5}) == 2.5


def test_memory_is_summed_by_process_name() -> None:
    here, gone = psutil.Process(), psutil.Popen(["true"])
    gone.wait()
    contender = Contender(FLASK, Plan("", (), 0.0), Told(), lambda: [("a", here), ("a", here), ("b", gone)])
    sizes = contender.memory_mb()
    assert set(sizes) == {"a"}
    assert sizes["a"] > 20
    assert set(contender.cpu_seconds()) == {os.getpid()}
