"""Side-by-side comparison: in each round every system gets the same load in turn, so disturbances affect all."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.progress import Progress, TaskID

from benchmarks.load.plan import Sample, answered, throughput
from benchmarks.load.worker import Worker
from benchmarks.report.estimates import percentiles
from benchmarks.scenarios import queue_waits
from benchmarks.systems.contenders import (
    FLOOR,
    KERAS,
    OURS,
    PEERS,
    Contender,
    cpu_seconds_between,
    floors,
    medreid_contender,
    peers,
)
from benchmarks.systems.medreid import MedreidSystem, running
from benchmarks.workload import Workload

CALLERS = 8
"""Callers of the closed loop: enough to keep every core of every system busy."""
OPEN_SHARE = 0.5
"""Arrivals of the open loop, as a share of our throughput (for slower systems: of their own)."""
VARIANTS = {False: "global stage", True: "everything"}
WARM_UP_S = 1.5


@dataclass(frozen=True)
class Effort:
    """Rounds, and seconds of one system in one round."""

    rounds: int
    throughput_s: float
    latency_s: float
    open_s: float

    def throughput_of(self, name: str) -> float:
        """Return the seconds of one period: more for systems with a few answers a second, to count them well."""
        return self.throughput_s * (PATIENCE if name in KERAS else 1.0)

    def seconds(self, name: str) -> float:
        """Return the seconds of one system in one variant."""
        return WARM_UP_S + self.rounds * (self.throughput_of(name) + self.latency_s) + self.open_s


PATIENCE = 2.0
FULL = Effort(rounds=5, throughput_s=5.0, latency_s=2.5, open_s=8.0)
QUICK = Effort(rounds=2, throughput_s=2.0, latency_s=1.0, open_s=2.5)


@dataclass
class _Field:
    """All systems of one variant, and ours."""

    ours: MedreidSystem
    contenders: Sequence[Contender]


def compare(workload: Workload, effort: Effort, progress: Progress) -> dict[str, Any]:
    """Compare all systems. Return results by variant and system, as in the file of results."""
    with _everybody(workload, progress) as fields:
        total = sum(effort.seconds(contender.name) for field in fields.values() for contender in field.contenders)
        task = progress.add_task("measuring", total=total)
        found = {VARIANTS[local]: _variant(field, workload, effort, progress, task) for local, field in fields.items()}
        progress.remove_task(task)
    return found


@contextmanager
def _everybody(workload: Workload, progress: Progress) -> Iterator[dict[bool, _Field]]:
    starting = progress.add_task("starting all systems", total=None)
    gallery = workload.gallery
    with (
        Worker() as generator,
        running(gallery, local=False) as bare,
        running(gallery, local=True) as whole,
        floors(gallery) as floor,
        peers(PEERS, gallery, generator) as others,
    ):
        progress.remove_task(starting)
        yield {
            local: _Field(ours, [medreid_contender(ours, generator), floor[local], *others[local]])
            for local, ours in ((False, bare), (True, whole))
        }


def _variant(field: _Field, workload: Workload, effort: Effort, progress: Progress, task: TaskID) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {
        contender.name: {"throughput": [], "cpu_ms": [], "p50": [], "failed": 0} for contender in field.contenders
    }
    for contender in field.contenders:
        contender.saturate(workload.pictures, WARM_UP_S, CALLERS)
        progress.advance(task, WARM_UP_S)
    for number in range(effort.rounds):
        for contender in random.Random(number).sample(field.contenders, len(field.contenders)):  # noqa: S311
            progress.update(task, description=f"round {number + 1} of {effort.rounds}: {contender.name}")
            _one_round(contender, found[contender.name], workload, effort, number)
            progress.advance(task, effort.throughput_of(contender.name) + effort.latency_s)
    _open_loop(field, found, workload, effort, progress, task)
    return found


def _one_round(contender: Contender, found: dict[str, Any], workload: Workload, effort: Effort, number: int) -> None:
    first, seconds = number * CALLERS, effort.throughput_of(contender.name)
    before = contender.cpu_seconds()
    samples = contender.saturate(workload.pictures, seconds, CALLERS, first)
    seconds_of_cpu = cpu_seconds_between(before, contender.cpu_seconds())
    found["throughput"].append(throughput(samples, seconds))
    found["cpu_ms"].append(1000 * seconds_of_cpu / len(samples))
    alone = contender.saturate(workload.pictures, effort.latency_s, 1, first)
    found["p50"].append(percentiles(answered(alone))["p50"])
    found["failed"] += sum(sample.status != 200 for sample in (*samples, *alone))


def _open_loop(
    field: _Field,
    found: Mapping[str, dict[str, Any]],
    workload: Workload,
    effort: Effort,
    progress: Progress,
    task: TaskID,
) -> None:
    capacity = {name: sorted(of["throughput"])[len(of["throughput"]) // 2] for name, of in found.items()}
    for contender in field.contenders:
        progress.update(task, description=f"constant arrivals: {contender.name}")
        if contender.name != FLOOR:  # a function has no open loop
            rate = OPEN_SHARE * min(capacity[OURS], capacity[contender.name])
            before = queue_waits.read(field.ours) if contender.name == OURS else {}
            samples = contender.arrive(workload.pictures, effort.open_s, max(rate, 1 / effort.open_s))
            found[contender.name]["open"] = _latencies(samples, rate)
            if contender.name == OURS:
                found[OURS]["waits"] = queue_waits.between(before, queue_waits.read(field.ours))
        progress.advance(task, effort.open_s)


def _latencies(samples: Sequence[Sample], rate: float) -> dict[str, float]:
    took = answered(samples)
    return {"rate": rate, "failed": len(samples) - len(took), **percentiles(took)}
