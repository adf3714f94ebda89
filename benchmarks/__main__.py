"""`python -m benchmarks VERB…`: compare, callers, overload, soak, memory and others; see `make help`."""

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

from benchmarks.report import acceptance, comparison_plots, machine, markdown_tables
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

Verb = Callable[[argparse.Namespace, Workload, Progress], Any]


def compare(options: argparse.Namespace, workload: Workload, progress: Progress) -> Any:
    """Compare our system, the floor and the peers."""
    found = side_by_side.compare(workload, side_by_side.QUICK if options.quick else side_by_side.FULL, progress)
    comparison_plots.draw(found, options.out)
    return found


def several_at_once(options: argparse.Namespace, workload: Workload, progress: Progress) -> Any:
    """Send more and more requests at once from one caller, then from two."""
    return callers.measure(workload, callers.QUICK if options.quick else callers.FULL, progress)


def overloaded(options: argparse.Namespace, workload: Workload, progress: Progress) -> Any:
    """Send three times the capacity, then attack one modality."""
    return overload.measure(workload, overload.QUICK if options.quick else overload.FULL, progress)


def soaked(options: argparse.Namespace, workload: Workload, progress: Progress) -> Any:
    """Send 70 % of the capacity for ten minutes."""
    return soak.measure(workload, soak.QUICK_S if options.quick else soak.FULL_S, progress)


def remembered(_options: argparse.Namespace, workload: Workload, progress: Progress) -> Any:
    """Measure the memory of every system, one after the other."""
    return memory_footprint.measure(workload, progress)


def ready(options: argparse.Namespace, workload: Workload, progress: Progress) -> Any:
    """Time every service from the start of its process until it is ready."""
    return startup_time.measure(workload, 1 if options.quick else 3, progress)


def staged(_options: argparse.Namespace, workload: Workload, _progress: Progress) -> Any:
    """Time every stage of one request."""
    return stages.measure(workload)


def sized(options: argparse.Namespace, workload: Workload, progress: Progress) -> Any:
    """Measure the processor time of each process."""
    return sizing.measure(workload, sizing.QUICK_S if options.quick else sizing.FULL_S, progress)


def built(_options: argparse.Namespace, _workload: Workload, _progress: Progress) -> Any:
    """Build the container images and measure their sizes."""
    return image_sizes.measure()


VERBS: dict[str, tuple[str, Verb]] = {
    "compare": ("comparison", compare),
    "callers": ("callers", several_at_once),
    "overload": ("overload", overloaded),
    "soak": ("soak", soaked),
    "memory": ("memory", remembered),
    "readiness": ("readiness", ready),
    "stages": ("stages", staged),
    "sizing": ("sizing", sized),
    "images": ("images", built),
}
"""Scenarios by name: the file of results and the function."""


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
            for verb in options.verbs:
                name, work = VERBS[verb]
                results[name] = work(options, workload, progress)
                _write(options.out, results)
    except KeyboardInterrupt:
        return 130
    print(markdown_tables.page(results))  # noqa: T201
    missed = sum(not line.held for line in acceptance.lines(results))
    console.print(f"{missed} lines are not held. Results and plots: {options.out}/", highlight=False, soft_wrap=True)
    return 0


def _write(folder: Path, results: dict[str, Any]) -> None:
    for name, found in results.items():
        (folder / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("verbs", nargs="+", choices=list(VERBS), metavar="verb", help=", ".join(VERBS))
    parser.add_argument("--quick", action="store_true", help="short and rough: to see that all is well")
    parser.add_argument("--data", type=Path, help="bundle of the pictures to send and to enrol (default: the samples)")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="enrolled in each modality")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "results", help="folder of results (default: .bench/results)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
