"""`python -m training --modality ct --data BUNDLE`: train, calibrate, export and describe one model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.modalities import load_registry
from training.configuration import ClassifierConfiguration, read_configuration
from training.data.bundle_manifest import read_manifest
from training.data.dataset import COMPA, Bundle
from training.data.imagenet_weights import beside, require_weights
from training.data.out_of_domain.collections import fetch_collections
from training.engine.checkpoints import claim, start_run
from training.train_model import train_compa, train_identifier

REPOSITORY = Path(__file__).parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Return 0, 130 if interrupted, or 2 with a sentence on what to do about the arguments or the data."""
    options = _parser().parse_args(arguments)
    weights = None if options.random_weights else options.weights or beside(options.data)
    try:
        folder = options.out or REPOSITORY / f"{options.modality}-service"
        configuration = read_configuration(folder)
        bundle = Bundle(options.data, read_manifest(options.data), weights)
        if not options.random_weights:
            require_weights(configuration.backbone, weights)
        run = options.runs / options.modality
        start_run(run, restart=options.restart)
        claim(run, configuration, bundle.training_rows(options.modality))
        if isinstance(configuration, ClassifierConfiguration):
            fetch_collections()
            train_compa(bundle, configuration, folder, run)
        else:
            train_identifier(options.modality, bundle, configuration, folder, run)
    except ValueError as error:
        print(f"training: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("training: interrupted; the model is unchanged; the same command continues where it can", file=sys.stderr)  # noqa: T201
        return 130
    print(f"wrote the model and its CARD.md to {folder}")  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    names = (*load_registry().names, COMPA)
    parser.add_argument("--modality", required=True, choices=names)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the images")
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    parser.add_argument("--random-weights", action="store_true", help="start from random weights; such a model is poor")
    parser.add_argument("--out", type=Path, help="model folder to write (default: the service's own)")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs", help="folder for checkpoints and curves")
    parser.add_argument("--restart", action="store_true", help="delete the checkpoints of the last run first")
    return parser


if __name__ == "__main__":
    sys.exit(main())
