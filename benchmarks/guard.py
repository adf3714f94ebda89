"""`python -m benchmarks.guard`: fail if a request costs 30 % more than before, compared with the floor.

Ratios to the floor are compared, never times, and both sides take turns on the same machine. CPU per request hardly
depends on other work on the machine, so one try decides. Throughput also shows waiting, but other work can halve it. So
it fails only if every try fails.

`--write` stores the measured ratios as the new baseline, in benchmarks/guard.toml.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.load.plan import throughput
from benchmarks.load.worker import Worker
from benchmarks.scenarios.side_by_side import CALLERS, WARM_UP_S
from benchmarks.systems.contenders import Contender, cpu_seconds_between, floors, medreid_contender
from benchmarks.systems.medreid import running
from benchmarks.workload import Workload, prepare

BASELINE = Path(__file__).with_name("guard.toml")
PATIENTS = 20
PAIRS = 6
STRETCH_S = 2.0
TRIES = 3
ALLOWED = 0.7
"""The share of the baseline that a ratio must reach."""


class Ratios(NamedTuple):
    """CPU of the floor divided by ours, and our throughput divided by the floor's. 1 means no overhead."""

    cpu: float
    throughput: float


def median(pairs: Sequence[Ratios]) -> Ratios:
    """Return the median of each ratio."""
    cpu, throughput = np.median(np.asarray(pairs, float), axis=0)
    return Ratios(float(cpu), float(throughput))


def verdict(tries: Sequence[Ratios], baseline: Ratios) -> str | None:
    """Return the failure, or None. The last try decides for CPU, the best one for throughput."""
    cpu, throughput = tries[-1].cpu, max(ratios.throughput for ratios in tries)
    if cpu < ALLOWED * baseline.cpu:
        return f"a request costs {baseline.cpu / cpu - 1:.0%} more CPU beside the floor than it did"
    if throughput < ALLOWED * baseline.throughput:
        return f"throughput beside the floor is {1 - throughput / baseline.throughput:.0%} lower than it was"
    return None


def measure(workload: Workload, progress: Progress, baseline: Ratios | None) -> list[Ratios]:
    """Return the medians of each try: several until the result is sure, one without a baseline."""
    gallery = workload.gallery
    with running(gallery, local=False) as system, floors(gallery) as floor, Worker() as generator:
        ours, bottom = medreid_contender(system, generator), floor[False]
        for contender in (ours, bottom):
            contender.saturate(workload.pictures, WARM_UP_S, CALLERS)
        tries: list[Ratios] = []
        while len(tries) < TRIES and (not tries or (baseline and verdict(tries, baseline))):
            task = progress.add_task(f"try {len(tries) + 1}", total=PAIRS)
            numbers = progress.track(range(PAIRS), task_id=task)
            tries.append(median([_pair(ours, bottom, workload.pictures, n) for n in numbers]))
    return tries


def _pair(ours: Contender, bottom: Contender, pictures: Sequence[str], number: int) -> Ratios:
    """Measure both, in alternating order."""
    order = (ours, bottom) if number % 2 else (bottom, ours)
    found = {contender.name: _stretch(contender, pictures, number) for contender in order}
    (our_cpu, our_rate), (cpu, rate) = found[ours.name], found[bottom.name]
    return Ratios(cpu / our_cpu, our_rate / rate)


def _stretch(contender: Contender, pictures: Sequence[str], number: int) -> tuple[float, float]:
    """Return CPU seconds a request, and requests a second."""
    before = contender.cpu_seconds()
    samples = contender.saturate(pictures, STRETCH_S, CALLERS, first=number * CALLERS)
    cpu = cpu_seconds_between(before, contender.cpu_seconds())
    if any(sample.status != 200 for sample in samples):
        raise RuntimeError(f"{contender.name} does not answer as it should")
    return cpu / len(samples), throughput(samples, STRETCH_S)


def read(path: Path = BASELINE) -> Ratios:
    """Return the stored baseline."""
    return Ratios(**tomllib.loads(path.read_text(encoding="utf-8")))


def write(ratios: Ratios, path: Path = BASELINE) -> None:
    """Store the ratios as the baseline."""
    lines = [
        "# Ratios to the floor that `make bench-guard` compares with; written by `python -m benchmarks.guard --write`.",
        f"cpu = {ratios.cpu:.3f}",
        f"throughput = {ratios.throughput:.3f}",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 after printing what has become worse."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is measured the new baseline")
    options = parser.parse_args(arguments)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        workload = prepare(None, PATIENTS, progress)
        tries = measure(workload, progress, None if options.write else read())
    found = tries[-1]
    print(f"beside the floor: CPU {found.cpu:.2f}, throughput {found.throughput:.2f}")  # noqa: T201
    if options.write:
        write(found)
        return 0
    wrong = verdict(tries, read())
    if wrong:
        print(f"guard: {wrong}", file=sys.stderr)  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
