"""One caller with more and more requests at once, and a second caller beside it: what each gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.progress import Progress

from benchmarks.load.plan import Sample, answered, throughput
from benchmarks.load.worker import Worker
from benchmarks.report.estimates import percentiles
from benchmarks.systems.contenders import Contender, medreid_contender
from benchmarks.systems.medreid import running
from benchmarks.workload import Workload

NUMBERS = (4, 8, 16, 32)
"""Requests at once of one caller; the second scenario has the last number beside one at a time."""


@dataclass(frozen=True)
class Effort:
    """Seconds of each part."""

    each_s: float


FULL, QUICK = Effort(each_s=10.0), Effort(each_s=5.0)


def measure(workload: Workload, effort: Effort, progress: Progress) -> dict[str, Any]:
    """Send pictures of one modality with one key, then with two."""
    pictures = workload.of(workload.modalities[0])
    task = progress.add_task("callers", total=len(NUMBERS) + 3)
    with running(workload.gallery, local=True) as ours, Worker() as generator, Worker() as other:
        system = medreid_contender(ours, generator)
        system.saturate(pictures, effort.each_s / 2, NUMBERS[0])  # warm
        progress.advance(task)
        alone = {}
        for number in NUMBERS:
            alone[str(number)] = _described(system.saturate(pictures, effort.each_s, number), effort)
            progress.advance(task)
        found = {"alone": alone, **_two(system, other, pictures, effort, ours.second_caller_headers())}
    progress.remove_task(task)
    return found


def _two(
    system: Contender, other: Worker, pictures: Sequence[str], effort: Effort, headers: Mapping[str, str]
) -> dict[str, Any]:
    """One request at a time, without and with another caller who has many at once."""
    without = system.saturate(pictures, effort.each_s, 1)
    many = system.planned(pictures=pictures, seconds=effort.each_s + 2, connections=NUMBERS[-1], headers=headers)
    other.begin(many)
    beside = system.saturate(pictures, effort.each_s, 1)
    other.finish()
    return {"one": _described(without, effort), "one_beside_many": _described(beside, effort)}


def _described(samples: Sequence[Sample], effort: Effort) -> dict[str, float]:
    """Answers a second, refusals (every other status) and percentiles of the time to answer in milliseconds."""
    times = percentiles(answered(samples))
    return {
        "answers_per_s": throughput(samples, effort.each_s),
        "refused": sum(sample.status != 200 for sample in samples),
        "p50": times["p50"],
        "p99": times["p99"],
    }
