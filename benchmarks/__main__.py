"""`python -m benchmarks SCENARIO…`: compare, callers, overload, soak, memory and others; see `make help`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.report import acceptance, machine, markdown_tables
from benchmarks.scenarios import (
    callers,
    image_sizes,
    memory_footprint,
    overload,
    side_by_side,
    sizing,
    soak,
    stages,
    startup_time,
)
from benchmarks.workload import ROOT, Workload, prepare

PATIENTS = 200
"""Patients enrolled in each modality."""

Scenario = Callable[[Workload, Progress, bool], Any]
"""Measures with a workload; the flag asks for a short and rough measurement."""
SCENARIOS: dict[str, tuple[str, Scenario]] = {
    "compare": (
        "comparison",
        lambda work, bar, quick: side_by_side.compare(work, side_by_side.QUICK if quick else side_by_side.FULL, bar),
    ),
    "callers": (
        "callers",
        lambda work, bar, quick: callers.measure(work, callers.QUICK if quick else callers.FULL, bar),
    ),
    "overload": (
        "overload",
        lambda work, bar, quick: overload.measure(work, overload.QUICK if quick else overload.FULL, bar),
    ),
    "soak": ("soak", lambda work, bar, quick: soak.measure(work, soak.QUICK_S if quick else soak.FULL_S, bar)),
    "memory": ("memory", lambda work, bar, _: memory_footprint.measure(work, bar)),
    "readiness": ("readiness", lambda work, bar, quick: startup_time.measure(work, 1 if quick else 3, bar)),
    "stages": ("stages", lambda work, _bar, _quick: stages.measure(work)),
    "sizing": (
        "sizing",
        lambda work, bar, quick: sizing.measure(work, sizing.QUICK_S if quick else sizing.FULL_S, bar),
    ),
    "images": ("images", lambda _work, _bar, _quick: image_sizes.measure()),
}
"""The file of results and the function of each scenario, by its name."""


def main(arguments: list[str] | None = None) -> int:
    """Measure, write the results and print their tables. A missed target is no failure."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop everything, as Ctrl-C does
    console = Console(stderr=True)
    options.out.mkdir(parents=True, exist_ok=True)
    results = {"machine": machine.describe()}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            workload = prepare(options.data and options.data.resolve(), options.patients, progress)
            for scenario in options.scenarios:
                name, measure = SCENARIOS[scenario]
                results[name] = measure(workload, progress, options.quick)
                _write(options.out, results)
    except KeyboardInterrupt:
        return 130
    print(markdown_tables.page(results))  # noqa: T201
    missed = sum(not line.held for line in acceptance.lines(results))
    console.print(f"{missed} lines are not held. Results: {options.out}/", highlight=False, soft_wrap=True)
    return 0


def _write(folder: Path, results: dict[str, Any]) -> None:
    for name, found in results.items():
        (folder / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("scenarios", nargs="+", choices=list(SCENARIOS), metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="short and rough: to see that all is well")
    parser.add_argument("--data", type=Path, help="bundle of the pictures to send and to enrol (default: the samples)")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="enrolled in each modality")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "results", help="folder of results (default: .bench/results)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
