"""Overload: how much is still answered, how fast the rest is refused, and how other callers are affected."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.load.plan import Sample, answered, throughput
from benchmarks.load.worker import Worker
from benchmarks.report.estimates import percentiles
from benchmarks.scenarios.side_by_side import CALLERS
from benchmarks.systems.contenders import Contender, medreid_contender
from benchmarks.systems.medreid import running
from benchmarks.workload import Workload

TIMES = 3
"""Arrivals as a share of the capacity."""
QUIET_SHARE = 0.3
"""Arrivals of the unloaded system and of the modalities that are not attacked, as a share of the capacity."""

OF_ANOTHER, OF_THE_SAME = "attack_of_another_caller", "attack_of_the_same_caller"
"""The attacker of one modality: another key, or the key that is used for the other modalities."""


@dataclass(frozen=True)
class Effort:
    """Seconds of each part."""

    capacity_s: float
    quiet_s: float
    overload_s: float
    rest_s: float


FULL = Effort(capacity_s=15.0, quiet_s=20.0, overload_s=60.0, rest_s=20.0)
QUICK = Effort(capacity_s=5.0, quiet_s=5.0, overload_s=8.0, rest_s=3.0)


def measure(workload: Workload, effort: Effort, progress: Progress) -> dict[str, Any]:
    """Measure with all features of the registry on."""
    task = progress.add_task("starting", total=_seconds(effort))
    with running(workload.gallery, local=True) as ours, Worker() as generator, Worker() as other:
        system = medreid_contender(ours, generator)
        progress.update(task, description="capacity")
        capacity = _capacity(system, workload.pictures, effort.capacity_s)
        progress.advance(task, effort.capacity_s)
        found = _flooded(system, workload, capacity, effort, lambda s: progress.advance(task, s))
        for name, headers in {OF_ANOTHER: ours.second_caller_headers(), OF_THE_SAME: ours.headers}.items():
            progress.update(task, description=f"one modality under attack, {name}")
            found[name] = _attacked(
                system, other, workload, usual=QUIET_SHARE * capacity, effort=effort, attacker=headers
            )
            progress.advance(task, effort.quiet_s + effort.overload_s)
    progress.remove_task(task)
    return found


def _seconds(effort: Effort) -> float:
    return effort.capacity_s + 3 * (effort.quiet_s + effort.overload_s) + effort.rest_s


def _capacity(system: Contender, pictures: Sequence[str], seconds: float) -> float:
    system.saturate(pictures, seconds / 5, CALLERS)  # warm
    return throughput(system.saturate(pictures, seconds, CALLERS), seconds)


def _flooded(system: Contender, workload: Workload, capacity: float, effort: Effort, advance: Any) -> dict[str, Any]:
    quiet = answered(system.arrive(workload.pictures, effort.quiet_s, QUIET_SHARE * capacity))
    advance(effort.quiet_s)
    before = sum(system.memory_mb().values())
    flood = system.arrive(workload.pictures, effort.overload_s, TIMES * capacity)
    advance(effort.overload_s)
    during = sum(system.memory_mb().values())
    time.sleep(effort.rest_s)
    advance(effort.rest_s)
    after = sum(system.memory_mb().values())
    shed = [s for s in flood if s.status != 200]
    return {
        "capacity": capacity,
        "arrivals": len(flood),
        "goodput": throughput(flood, effort.overload_s),
        "answered": percentiles(answered(flood)),
        "quiet": percentiles(quiet),
        "p99_ratio": percentiles(answered(flood))["p99"] / percentiles(quiet)["p99"],
        "shed": len(shed),
        "shed_p99_ms": percentiles([s.took for s in shed])["p99"] if shed else 0.0,
        "shed_p50_ms": percentiles([s.took for s in shed])["p50"] if shed else 0.0,
        "shed_rightly": float(np.mean([s.status == 503 and s.retry_after is not None for s in shed])) if shed else 1.0,
        "statuses": _statuses(flood),
        "memory_mb": {"before": before, "during": during, "after": after},
        "memory_ratio": after / before,
    }


def _attacked(
    system: Contender, other: Worker, workload: Workload, *, usual: float, effort: Effort, attacker: Mapping[str, str]
) -> dict[str, Any]:
    """Send one modality three times the capacity with the attacker's key, and the others their usual load."""
    victim = workload.modalities[0]
    rest = [p for p, name in zip(workload.pictures, workload.modalities, strict=True) if name != victim]
    before = answered(system.arrive(rest, effort.quiet_s, usual))
    attack = system.planned(
        pictures=workload.of(victim),
        seconds=effort.overload_s,
        rate=TIMES / QUIET_SHARE * usual,
        connections=1000,
        headers=attacker,
    )
    other.begin(attack)
    during = system.arrive(rest, effort.overload_s, usual)
    attackers = other.finish()
    return {
        "before": percentiles(before),
        "during": percentiles(answered(during)),
        "statuses": _statuses(during),
        "attackers_statuses": _statuses(attackers),
        "p99_ratio": percentiles(answered(during))["p99"] / percentiles(before)["p99"],
        "answered": len(answered(during)) / len(during),
    }


def _statuses(samples: Sequence[Sample]) -> dict[str, int]:
    statuses = [str(s.status) for s in samples]
    return {status: statuses.count(status) for status in sorted(set(statuses))}
