"""What each process takes: memory before and after calls, and processor time of one identification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import psutil
from rich.progress import Progress

from benchmarks.contenders import Contender, of_ours
from benchmarks.load.plan import answered
from benchmarks.load.worker import Worker
from benchmarks.ours import Ours, running
from benchmarks.prepare import Workload
from deploy.local.processes import memory
from shared.modalities import load_registry

FULL_S, QUICK_S = 10.0, 2.0
"""Seconds of calls of each modality, one at a time."""
DATABASE, SUPERVISOR = "database", "supervisor"


def measure(workload: Workload, seconds: float, progress: Progress) -> dict[str, dict[str, float]]:
    """By process: MB at rest and after the calls, and CPU ms of one identification that it has a part in.

    Memory is the resident set, since a container shares nothing with its neighbours; of the database, whose processes
    share most of theirs, it is the proportional one. The supervisor, whose pages its forks share, is left out.
    """
    modalities = list(dict.fromkeys(workload.modalities))
    with running(workload.gallery, local=True) as ours, Worker() as generator:
        system = of_ours(ours, generator)
        rest = _memory_mb(ours)
        took: dict[str, dict[str, float]] = {}
        for modality in progress.track(modalities, description="one modality after the other"):
            took[modality] = _cpu_ms(ours, system, workload.of(modality), seconds)
        after = _memory_mb(ours)
    return {
        name: {
            "rest": rest[name],
            "after": after[name],
            "cpu_ms": _mean([ms[name] for modality, ms in took.items() if _has_part(name, modality)]),
        }
        for name in rest
        if name != SUPERVISOR
    }


def _has_part(process: str, modality: str) -> bool:
    """Of the modality services only its own."""
    return process.removesuffix("-service") not in load_registry().names or process == f"{modality}-service"


def _mean(values: list[float]) -> float:
    """Nan of none: no picture of the modality was at hand."""
    return sum(values) / len(values) if values else float("nan")


def _memory_mb(ours: Ours) -> dict[str, float]:
    return _summed(ours, lambda name, p: (memory(p) if name == DATABASE else p.memory_info().rss) / 1e6)


def _cpu_ms(ours: Ours, system: Contender, pictures: list[str], seconds: float) -> dict[str, float]:
    """By process, of one identification; the first calls, which fill caches, do not count."""
    system.saturate(pictures, seconds / 5, 1)
    before = _cpu_s(ours)
    done = len(answered(system.saturate(pictures, seconds, 1)))
    return {name: 1000 * (after - before[name]) / done for name, after in _cpu_s(ours).items()}


def _cpu_s(ours: Ours) -> Mapping[str, float]:
    return _summed(ours, lambda _, process: sum(process.cpu_times()[:2]))


def _summed(ours: Ours, value: Callable[[str, psutil.Process], float]) -> dict[str, Any]:
    sums: dict[str, float] = {}
    for name, process in ours.processes():
        sums[name] = sums.get(name, 0.0) + value(name, process)
    return sums
