"""`python -m training.evaluation --data BUNDLE --out DIR`: the protocol with the exported models and the baselines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from shared.modalities import load_registry
from shared.models.manifest import MODEL_FILE
from training.data.bundle_manifest import Row, read_manifest
from training.evaluation.classifier_evaluation import evaluate_compa
from training.evaluation.evaluation_report import Report
from training.evaluation.measure import ModalityEvaluation, Sources
from training.evaluation.protocol import read_tracks

REPOSITORY = Path(__file__).parent.parent.parent


def main(arguments: list[str] | None = None) -> int:
    """0, or 2 with a sentence on what is wrong with the data or the models."""
    options = _parser().parse_args(arguments)
    try:
        rows = read_manifest(options.data)
        options.out.mkdir(parents=True, exist_ok=True)
        _evaluate(rows, options).write(options.out)
    except ValueError as error:
        print(f"evaluation: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(f"wrote {options.out / 'report.md'}")  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluation", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--split", default="test", choices=("test", "train"))
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--modality", action="append", choices=load_registry().names, help="default: all, and COMPA")
    parser.add_argument("--weights", type=Path, help="ImageNet weights of the baselines (default: beside the data)")
    parser.add_argument("--models", type=Path, default=REPOSITORY, help="folder with the <modality>-service folders")
    parser.add_argument(
        "--without-baselines", action="store_true", help="only the shipped models, their control and raw pixels"
    )
    return parser


def _evaluate(rows: Sequence[Row], options: argparse.Namespace) -> Report:
    registry, report = load_registry(), Report(options.split)
    tracks = {name: read_tracks(rows, options.split, [name]) for name in options.modality or registry.names}
    if not any(tracks.values()):
        raise ValueError(f"no track of split={options.split} has rows of the roles gallery and query")
    sources = Sources(options.data, options.models, _weights(options), options.out)
    for name, own in tracks.items():
        if own:
            measured = ModalityEvaluation(registry[name], rows, sources)
            report.tracks += measured.results(own)
            report.models[name] = measured.facts
    if not options.modality and (options.models / "compa-service" / MODEL_FILE).is_file():
        report.compa = evaluate_compa(options.models / "compa-service", options.data, rows, options.split)
    return report


def _weights(options: argparse.Namespace) -> Path | None:
    """The folder of the baselines' weights, None without baselines; random ones must not pass for a baseline."""
    if options.without_baselines:
        return None
    weights: Path = options.weights or options.data.parent / "weights"
    if not weights.is_dir():
        raise ValueError("the baselines need ImageNet weights: name their folder (--weights), or --without-baselines")
    return weights


if __name__ == "__main__":
    sys.exit(main())
