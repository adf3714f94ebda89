"""`python -m benchmarks.page FOLDER`: the tables of docs/performance.md out of what `make bench` and its kin wrote.

With `--into docs/performance.md` they take the place of what stands between the two marker comments of that file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.tables import page

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def read(folder: Path) -> dict[str, Any]:
    """Every file of results in the folder, by its name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def replaced(text: str, results: str) -> str:
    """The page with `results` between its markers; ValueError where it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the results: it needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{results}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, or put them into a page; 2 with a sentence where that page has no place for them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("results", type=Path, help="folder with the files of results")
    parser.add_argument("--into", type=Path, help="a markdown file with the two marker comments")
    options = parser.parse_args(arguments)
    text = page(read(options.results))
    if options.into is None:
        print(text)  # noqa: T201
        return 0
    try:
        written = replaced(options.into.read_text(encoding="utf-8"), text)
    except ValueError as error:
        print(f"page: {error}", file=sys.stderr)  # noqa: T201
        return 2
    options.into.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
