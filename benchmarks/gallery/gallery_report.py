"""Write the figures as a table, as JSON and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.gallery.gallery_server import Footprint
from benchmarks.gallery.search_timing import SearchFigures

RESULTS = "results.json"
PLOT = "gallery.png"
MIB = 2**20


@dataclass(frozen=True)
class Size:
    """One size of the gallery. `build_s` is the bulk build of the index, None if it grew row by row.

    `enrol_ms` is the median for one patient with all pictures through the product. `templates_per_s` follows from it.
    """

    templates: int
    patients: int
    build_s: float | None
    enrol_ms: float
    templates_per_s: float
    found_at_once: float
    search: SearchFigures
    footprint: Footprint


def save(sizes: Sequence[Size], out: Path) -> None:
    """Replace `results.json` in one step."""
    written = out / f"{RESULTS}.new"
    written.write_text(json.dumps([asdict(size) for size in sizes], indent=1), encoding="utf-8")
    written.replace(out / RESULTS)


def load(out: Path) -> list[Size]:
    """Return the results of an earlier run, or nothing."""
    path = out / RESULTS
    if not path.is_file():
        return []
    read = json.loads(path.read_text(encoding="utf-8"))
    return [
        Size(**{**size, "search": SearchFigures(**size["search"]), "footprint": Footprint(**size["footprint"])})
        for size in read
    ]


def show(sizes: Sequence[Size], console: Console) -> None:
    """Print the table, and how the median grows."""
    table = Table(title="The gallery, one modality on two cores", title_justify="left")
    for title in ("templates", "search p50", "p99", "p99 busy", "CPU", "exact p50", "recall@1", "recall@3"):
        table.add_column(title, justify="right")
    for title in ("found at once", "enrolled/s", "build", "rows", "index", "memory"):
        table.add_column(title, justify="right")
    for size in sizes:
        table.add_row(*_cells(size))
    console.print(table)
    medians = {size.templates: size.search.p50 for size in sizes}
    if medians.keys() >= {10_000, 1_000_000}:
        console.print(f"p50 at 1,000,000 is {medians[1_000_000] / medians[10_000]:.1f} times that at 10,000.")


def _cells(size: Size) -> list[str]:
    search, taken = size.search, size.footprint
    spent = (search.p50, search.p99, search.p99_busy, search.cpu, search.exact_p50)
    times = ["over 5 s" if value is None else f"{value:.1f} ms" for value in spent]
    shares = [f"{value:.1%}" for value in (search.recall1, search.recall3, size.found_at_once)]
    build = "-" if size.build_s is None else f"{size.build_s:.0f} s"
    bytes_taken = [f"{value / MIB:,.0f} MiB" for value in (taken.table, taken.index, search.memory)]
    return [f"{size.templates:,}", *times, *shares, f"{size.templates_per_s:,.0f}", build, *bytes_taken]


def plot(sizes: Sequence[Size], out: Path) -> Path:
    """Search times and recall over the number of templates."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    times, recall = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    templates = [size.templates for size in sizes]
    for label, values in (
        ("exact scan, p50", [size.search.exact_p50 or np.nan for size in sizes]),
        ("search, p99", [size.search.p99 for size in sizes]),
        ("search, p50", [size.search.p50 for size in sizes]),
    ):
        times.plot(templates, values, marker="o", label=label)
    times.axhline(20, color="grey", linestyle=":")
    times.set(xscale="log", yscale="log", ylabel="milliseconds")
    times.legend()
    recall.plot(templates, [size.search.recall1 for size in sizes], marker="o", label="recall@1")
    recall.plot(templates, [size.search.recall3 for size in sizes], marker="o", label="recall@3")
    recall.axhline(0.995, color="grey", linestyle=":")
    recall.set(xscale="log", xlabel="templates", ylabel="share of exact", ylim=(0.98, 1.001))
    recall.legend()
    figure.savefig(out / PLOT, dpi=150)
    return out / PLOT
