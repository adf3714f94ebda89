"""Which claims of prior work hold on these data? Measured on validation subjects under one small budget.

Command: `python -m experiments.comparison --data BUNDLE` (about 20 minutes on two cores). Each row of
`experiments.comparison.candidates` is trained under the same budget. Nothing of `split=test` is read.
Answer: docs/notebook/prior-work.md. The table is written between the two marker comments of that page.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tqdm import tqdm

from experiments.command import REPOSITORY, arguments_parser, read_bundle
from experiments.comparison.candidates import CANDIDATES, MODALITIES
from experiments.comparison.learning import School
from experiments.comparison.material import Budget, prepare
from experiments.comparison.results import Result, comparison, ranked
from training.evaluation.evaluation_page import replace_results

PAGE = REPOSITORY / "docs" / "notebook" / "prior-work.md"


def main(arguments: list[str] | None = None) -> int:
    """Write the table; return 2 with a sentence if the data or the page are wrong."""
    parser = arguments_parser("comparison", __doc__)
    parser.add_argument("--only", nargs="+", choices=[c.key for c in CANDIDATES], metavar="ROW", help="only these rows")
    parser.add_argument("--steps", type=int, default=Budget.steps, help="batches of each modality per row")
    parser.add_argument("--into", type=Path, default=PAGE, help="page with the two marker comments")
    options = parser.parse_args(arguments)
    budget = Budget(options.steps, modalities=tuple(options.modality or MODALITIES))
    try:
        page = options.into.read_text(encoding="utf-8")
        replace_results(page, "")  # fails now rather than after the training if the page has no markers
        bundle = read_bundle(options)
        materials = [prepare(name, bundle, REPOSITORY / f"{name}-service", budget) for name in budget.modalities]
    except ValueError as error:
        print(f"comparison: {error}", file=sys.stderr)  # noqa: T201
        return 2
    school, results = School(materials, bundle.weights, budget), {}
    wanted = [c for c in CANDIDATES if not options.only or c.key in options.only]
    for candidate in (bar := tqdm(wanted, unit="row")):
        bar.set_description(candidate.key)
        wall, cpu = time.monotonic(), time.process_time()
        scored, parameters = school.scored(candidate)
        seen = budget.steps * budget.pictures * len(budget.modalities) if candidate.trained else 0
        spent = time.monotonic() - wall, time.process_time() - cpu
        results[candidate.key] = Result(candidate.key, [ranked(track) for track in scored], seen, parameters, *spent)
        text = comparison(CANDIDATES, results, budget)
        options.into.write_text(replace_results(page, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
