"""`python -m training --modality ct --data BUNDLE`: train, calibrate, export and write the card of one model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.modalities import load_registry
from training.data.bundle_manifest import read_manifest
from training.data.out_of_domain.fetch import fetch_collections
from training.engine.checkpoints import claim
from training.engine.configuration import ClassifierConfiguration, read_configuration
from training.engine.run import COMPA, Bundle, train_compa, train_modality

REPOSITORY = Path(__file__).parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 with a sentence on what to do about the arguments or the data."""
    options = _parser().parse_args(arguments)
    weights = options.weights or options.data.parent / "weights"
    try:
        folder = options.out or REPOSITORY / f"{options.modality}-service"
        configuration = read_configuration(folder)
        bundle = Bundle(options.data, read_manifest(options.data), weights if weights.is_dir() else None)
        run = options.runs / options.modality
        if options.restart:
            _forget(run)
        run.mkdir(parents=True, exist_ok=True)
        claim(run, configuration, bundle.training_rows(options.modality))
        if isinstance(configuration, ClassifierConfiguration):
            fetch_collections()
            train_compa(bundle, configuration, folder, run)
        else:
            train_modality(options.modality, bundle, configuration, folder, run)
    except ValueError as error:
        print(f"training: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    names = (*load_registry().names, COMPA)
    parser.add_argument("--modality", required=True, choices=names)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    parser.add_argument("--out", type=Path, help="model folder to write (default: the service's own)")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs", help="checkpoints and curves")
    parser.add_argument("--restart", action="store_true", help="begin anew instead of going on with the last run")
    return parser


def _forget(run: Path) -> None:
    for path in sorted(run.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


if __name__ == "__main__":
    sys.exit(main())
