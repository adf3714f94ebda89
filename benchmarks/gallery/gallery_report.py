"""Write the figures as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.gallery.gallery_server import Footprint
from benchmarks.gallery.search_timing import SearchFigures

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
    """Write `results.json`."""
    (out / "results.json").write_text(json.dumps([asdict(size) for size in sizes], indent=1), encoding="utf-8")


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
