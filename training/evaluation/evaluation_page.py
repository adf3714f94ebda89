"""`python -m training.evaluation.evaluation_page report.json`: print the report of `make evaluate` as tables.

With `--into docs/notebook/evaluation.md` they replace the text between the two marker comments of that file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from training.evaluation import report_tables
from training.evaluation.report_tables import Json

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def results(report: Json) -> str:
    """Every table of the page under its heading."""
    sections = [
        ("Recognition (rank-1, %)", report_tables.recognition(report)),
        ("Verification and strangers", report_tables.verification(report)),
        ("What the threshold does", report_tables.decided(report)),
        ("Controls", report_tables.controls(report)),
        ("Operating points: thresholds", report_tables.thresholds(report)),
        ("Operating points: what they do", report_tables.operating_points(report)),
        ("Larger galleries", report_tables.growth(report)),
    ]
    if report["compa"]:
        sections.append(("COMPA", report_tables.compa(report["compa"])))
    sections.append(("Sizes and times", report_tables.models(report)))
    return "\n".join(f"### {heading}\n\n{text}" for heading, text in sections)


def replaced(page: str, text: str) -> str:
    """The page with `text` between its markers; ValueError where it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the results: it needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, or put them into a page; 2 with a sentence where that page has no place for them."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.evaluation_page", description=__doc__)
    parser.add_argument("report", type=Path, help="report.json of a run of training.evaluation")
    parser.add_argument("--into", type=Path, help="a markdown file with the two marker comments")
    options = parser.parse_args(arguments)
    text = results(json.loads(options.report.read_text(encoding="utf-8")))
    if options.into is None:
        print(text)  # noqa: T201
        return 0
    try:
        page = replaced(options.into.read_text(encoding="utf-8"), text)
    except ValueError as error:
        print(f"page: {error}", file=sys.stderr)  # noqa: T201
        return 2
    options.into.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
