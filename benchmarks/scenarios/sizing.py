"""Processor time of one identification, by process."""

from __future__ import annotations

from rich.progress import Progress

from benchmarks.load.plan import answered
from benchmarks.load.worker import Worker
from benchmarks.systems.contenders import Contender, medreid_contender
from benchmarks.systems.medreid import MedreidSystem, running
from benchmarks.workload import Workload
from shared.modalities import load_registry

FULL_S, QUICK_S = 10.0, 2.0
"""Seconds of load for each modality, one at a time."""


def measure(workload: Workload, seconds: float, progress: Progress) -> dict[str, float]:
    """Return CPU ms by process, over the identifications that it takes part in. The supervisor only runs beside."""
    modalities = list(dict.fromkeys(workload.modalities))
    with running(workload.gallery, local=True) as ours, Worker() as generator:
        system = medreid_contender(ours, generator)
        took = {
            modality: _cpu_ms(ours, system, workload.of(modality), seconds)
            for modality in progress.track(modalities, description="one modality after the other")
        }
    found: dict[str, list[float]] = {}
    for modality, processes in took.items():
        for name, ms in processes.items():
            if _has_part(name, modality):
                found.setdefault(name, []).append(ms)
    return {name: sum(ms) / len(ms) for name, ms in found.items()}


def _has_part(process: str, modality: str) -> bool:
    """Return whether the process works for the modality: all do, except the services of other modalities."""
    return process.removesuffix("-service") not in load_registry().names or process == f"{modality}-service"


def _cpu_ms(ours: MedreidSystem, system: Contender, pictures: list[str], seconds: float) -> dict[str, float]:
    """Return CPU ms by process of one identification. The first calls, which fill caches, do not count."""
    system.saturate(pictures, seconds / 5, 1)
    before = _cpu_s(ours)
    done = len(answered(system.saturate(pictures, seconds, 1)))
    return {name: 1000 * (after - before[name]) / done for name, after in _cpu_s(ours).items()}


def _cpu_s(ours: MedreidSystem) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, process in ours.processes():
        sums[name] = sums.get(name, 0.0) + sum(process.cpu_times()[:2])
    return sums
