"""`python -m training.evaluation.evaluation_page report.json`: print the tables of a report of `make evaluate`.

With `--into docs/notebook/evaluation.md` the tables replace the text between the two marker comments of that file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from training.evaluation.report_tables import Json, by_kind, counts, methods, sections

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
FEW_IMPOSTORS = 100
"""Below this number, FNIR at a small FPIR depends on a few pictures."""


def results(report: Json) -> str:
    """Return every table under its heading."""
    return "\n".join(f"### {heading}\n\n{text}" for heading, text in sections(report).items())


def report_text(report: Json) -> str:
    """Return `report.md`: every table, then the plots and all methods of each track."""
    introduction = "95 % intervals in brackets, by bootstrap over subjects. See docs/explanation/evaluation.md.\n"
    parts = [f"# Evaluation on `split={report['split']}`\n", introduction, "![rank-1 of every track](overview.png)\n"]
    return "\n".join([*parts, results(report), *(_track(track) for track in by_kind(report))])


def _track(track: Json) -> str:
    name, impostors = track["track"], track["impostors"]
    parts = [f"### {name} ({track['kind']}; {counts(track)})\n", f"![plots of {name}]({name}.png)\n", methods(track)]
    parts.append(f"Chance finds {track['rank1_by_chance']:.1%} at rank 1.\n")
    if track["not_beaten"]:
        parts.append(f"Not beaten at rank 1: {', '.join(track['not_beaten'])}.\n")
    if 0 < impostors < FEW_IMPOSTORS:
        parts.append(f"The FNIR figures depend on only {impostors} impostors.\n")
    if track["failures"]:
        parts.append(f"The worst confusions:\n\n![worst confusions of {name}]({name}-worst.png)\n")
    return "\n".join(parts)


def replace_results(page: str, text: str) -> str:
    """Return the page with `text` between its markers; ValueError if a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the results: it needs {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def write_page(
    arguments: list[str] | None,
    parser: argparse.ArgumentParser,
    render: Callable[[Path], str],
    update: Callable[[str, str], str] = replace_results,
) -> int:
    """Print what `render` makes of the results, or write it into a page; return 2 if the page cannot take it."""
    parser.add_argument("results", type=Path, help="file or folder of results")
    parser.add_argument("--into", type=Path, help="a markdown file with the two marker comments")
    options = parser.parse_args(arguments)
    text = render(options.results)
    if options.into is None:
        print(text)  # noqa: T201
        return 0
    try:
        page = update(options.into.read_text(encoding="utf-8"), text)
    except ValueError as error:
        print(f"page: {error}", file=sys.stderr)  # noqa: T201
        return 2
    options.into.write_text(page, encoding="utf-8")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Print the tables of a `report.json`, or write them into a page."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.evaluation_page", description=__doc__)
    return write_page(arguments, parser, lambda file: results(json.loads(file.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    sys.exit(main())
