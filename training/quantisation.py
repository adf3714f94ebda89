"""`python -m training.quantisation --data BUNDLE`: what int8 arithmetic costs and saves, on validation subjects.

Every identification network of `runs/` is exported as it ships and in int8, with training pictures as calibration data,
and both find the validation subjects. Nothing of `split=test` is read.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from shared.images.recipes import build_recipe
from shared.images.views import network_view
from shared.modalities import load_registry
from shared.models.contracts import Pixels
from shared.models.folder import MODEL_FILE
from shared.models.litert import LiteRTSession
from training.configuration import IdentifierConfiguration, read_configuration
from training.datasets.manifest import read_manifest
from training.datasets.parts import Data
from training.datasets.pictures import CACHE_SIDE, load_pictures
from training.export import export_litert
from training.runs import Bundle, identified_rows
from training.validation import Embeddings, Score, ValidationSet

REPOSITORY = Path(__file__).parent.parent
SEEN = 300
"""Training pictures that the ranges of the tensors are taken from."""


@dataclass(frozen=True)
class Exported:
    """One way to export a network: its figures on every validation track, and what it costs."""

    scores: list[Score]
    embeddings: Embeddings
    milliseconds: float
    megabytes: float


def compare(name: str, bundle: Bundle, runs: Path) -> Iterator[str]:
    """One line of a Markdown table per validation track."""
    folder, modality = REPOSITORY / f"{name}-service", load_registry()[name]
    configuration = read_configuration(folder)
    if not isinstance(configuration, IdentifierConfiguration):
        raise ValueError(f"{folder.name}/ holds no identification model")
    rows = identified_rows(name, bundle, configuration)
    pictures = load_pictures(bundle.root, rows, max(CACHE_SIDE, modality.recipe.size))
    data = Data(rows, pictures, build_recipe(modality.recipe), configuration.validation_share)
    paths = np.random.default_rng(configuration.seed).permutation(sorted({row.path for row in data.fitting}))[:SEEN]
    seen = [network_view(data.recipe(pictures[path])[np.newaxis])[0] for path in paths.tolist()]
    network = keras.models.load_model(runs / name / "model.keras", compile=False)
    validation = ValidationSet(data.validation, pictures, data.recipe)
    shipped = _exported(network, validation, float16=configuration.float16, seen=[])
    small = _exported(network, validation, float16=False, seen=seen)
    cosine = float(np.median((shipped.embeddings * small.embeddings).sum(axis=1)))
    for a, b in zip(shipped.scores, small.scores, strict=True):
        yield (
            f"| {a.track} ({a.queries} probes) | {a.rank1:.3f} / {a.mean_average_precision:.3f} | "
            f"{b.rank1:.3f} / {b.mean_average_precision:.3f} | {cosine:.3f} | "
            f"{small.milliseconds / shipped.milliseconds:.2f} | {shipped.megabytes:.1f} | {small.megabytes:.1f} |"
        )


def _exported(network: keras.Model, validation: ValidationSet, *, float16: bool, seen: list[Pixels]) -> Exported:
    with tempfile.TemporaryDirectory() as folder:
        export_litert(network, Path(folder), float16=float16, seen=seen)
        session = LiteRTSession(Path(folder))
        begun = time.process_time()
        embeddings = validation.embeddings(lambda images: session.run(images.astype(np.uint8)))
        milliseconds = 1000 * (time.process_time() - begun) / len(embeddings)
        megabytes = (Path(folder) / MODEL_FILE).stat().st_size / 1e6
    return Exported([track.score for track in validation.scored(embeddings)], embeddings, milliseconds, megabytes)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m training.quantisation", description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs")
    parser.add_argument("--modality", action="append", choices=load_registry().names)
    options = parser.parse_args(arguments)
    bundle = Bundle(options.data, read_manifest(options.data), None)
    print("| validation track | as shipped: rank-1 / mAP | int8 | median cosine | time, ratio | MB | MB in int8 |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    for name in options.modality or load_registry().names:
        for line in compare(name, bundle, options.runs):
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
