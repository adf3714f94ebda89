"""`python -m benchmarks.report.performance_page FOLDER`: print the results of `make bench` and its siblings as tables.

With `--into docs/notebook/performance.md` they replace the text between the two marker comments of that file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.report.markdown_tables import page
from training.evaluation.evaluation_page import BEGIN, END, replace_results, write_page


def read(folder: Path) -> dict[str, Any]:
    """Read every file of results in the folder, by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def updated(text: str, results: str) -> str:
    """Return the page with `results` between its markers. ValueError if it has none, or would lose a table."""
    told = _told(results)
    if lost := [what for what in _told(text.partition(BEGIN)[2].partition(END)[0]) if what not in told]:
        raise ValueError(f"these were not measured here, measure them or take them off the page: {'; '.join(lost)}")
    return replace_results(text, results)


def _told(results: str) -> list[str]:
    """Return the headings of the tables, and the names of the first table's targets."""
    _, *tables = f"\n{results}".split("\n### ")
    lines = [line for line in tables[0].splitlines() if line.startswith("|")] if tables else []
    return [table.splitlines()[0] for table in tables] + [line.split("|")[1].strip() for line in lines]


def main(arguments: list[str] | None = None) -> int:
    """Print the tables of a folder of results, or write them into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report.performance_page", description=__doc__)
    return write_page(arguments, parser, lambda folder: page(read(folder)), updated)


if __name__ == "__main__":
    sys.exit(main())
