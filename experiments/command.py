"""The command line that all experiments share."""

from __future__ import annotations

import argparse
from pathlib import Path

from shared.modalities import load_registry
from training.data.bundle_manifest import read_manifest
from training.data.dataset import Bundle

REPOSITORY = Path(__file__).parent.parent


def arguments_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options `--data`, `--weights` and `--modality`."""
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}", description=description)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    parser.add_argument("--modality", action="append", choices=load_registry().names, help="default: all")
    return parser


def read_bundle(options: argparse.Namespace) -> Bundle:
    """Return the bundle and its ImageNet weights; ValueError if either is missing."""
    weights = options.weights or options.data.parent / "weights"
    rows = read_manifest(options.data)
    if not weights.is_dir():
        raise ValueError(f"there is no folder {weights} with ImageNet weights: name it with --weights")
    return Bundle(options.data, rows, weights)
