"""`python -m experiments.comparison --data BUNDLE`: settle what prior work claims, on validation subjects.

Each row of `experiments.comparison.candidates` is trained under the same small budget and stored under
`runs/comparison` when it is finished. The same command resumes an interrupted run. The table goes into
docs/notebook/prior-work.md, between the two marker comments. Nothing of `split=test` is read.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from experiments.comparison.candidates import CANDIDATES, MODALITIES, Candidate
from experiments.comparison.learning import School
from experiments.comparison.material import Budget, prepare
from experiments.comparison.results import Result, Store, ranked
from experiments.comparison.table import comparison
from training.data.bundle_manifest import read_manifest
from training.engine.run import Bundle
from training.evaluation.evaluation_page import replace_results

REPOSITORY = Path(__file__).parent.parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 with a sentence on what to do about the arguments or the data."""
    options = _parser().parse_args(arguments)
    weights = options.weights or options.data.parent / "weights"
    budget = Budget(options.steps, seed=options.seed, modalities=tuple(options.modality or MODALITIES))
    store = Store(options.runs, budget)
    wanted = [c for c in CANDIDATES if not options.only or c.key in options.only]
    try:
        _write(options.into, store, budget)
        missing = [candidate for candidate in wanted if store.load(candidate) is None]
        if missing:
            rows = [row for row in read_manifest(options.data) if row.split == "train"]
            bundle = Bundle(options.data, rows, weights if weights.is_dir() else None)
            _compare(missing, bundle, budget, store, options.into)
    except ValueError as error:
        print(f"comparison: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _compare(missing: Sequence[Candidate], bundle: Bundle, budget: Budget, store: Store, page: Path) -> None:
    materials = [prepare(name, bundle, REPOSITORY / f"{name}-service", budget) for name in budget.modalities]
    school = School(materials, bundle.weights, budget)
    total = sum(c.cost for c in missing if c.trained) * budget.steps * len(materials)
    with tqdm(total=round(total, 1), unit="batch", smoothing=0.02) as bar:
        for candidate in missing:
            bar.set_description(candidate.key)
            store.save(_result(candidate, school, budget, bar))
            _write(page, store, budget)


def _result(candidate: Candidate, school: School, budget: Budget, bar: tqdm) -> Result:
    wall, cpu = time.monotonic(), time.process_time()
    scored, parameters = school.scored(candidate, lambda: bar.update(candidate.cost))
    seen = budget.steps * budget.pictures * len(budget.modalities) if candidate.trained else 0
    tracks = [ranked(track) for track in scored]
    return Result(candidate.key, tracks, seen, parameters, time.monotonic() - wall, time.process_time() - cpu)


def _write(page: Path, store: Store, budget: Budget) -> None:
    results = {c.key: result for c in CANDIDATES if (result := store.load(c)) is not None}
    text = comparison(CANDIDATES, results, budget)
    page.write_text(replace_results(page.read_text(encoding="utf-8"), text), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.comparison", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument(
        "--only", nargs="+", choices=[c.key for c in CANDIDATES], metavar="ROW", help="these rows alone"
    )
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    parser.add_argument("--modality", action="append", help=f"default: {', '.join(MODALITIES)}")
    parser.add_argument(
        "--steps", type=int, default=Budget.steps, help="batches of each modality that every row learns"
    )
    parser.add_argument("--seed", type=int, default=Budget.seed)
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "comparison", help="finished rows")
    parser.add_argument(
        "--into", type=Path, default=REPOSITORY / "docs" / "notebook" / "prior-work.md", help="page with the markers"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
