"""`python -m experiments.quantisation --data BUNDLE`: what int8 arithmetic costs and saves, on validation subjects.

Every identification network is exported with float convolutions and with int8 ones, and both find the validation
subjects: where the trunk stays as it is, by folds, each with a head fitted to what the trunk says that way; where it is
trained, the network of `runs/` as it is. Nothing of `split=test` is read.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from shared.images.recipes import build_recipe
from shared.modalities import load_registry
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import MODEL_FILE
from shared.models.protocols import NETWORK_SIZE
from training.data.bundle_manifest import read_manifest
from training.data.dataset import Data
from training.data.images import CACHE_SIDE, load_pictures
from training.engine.configuration import IdentifierConfiguration, read_configuration
from training.engine.discriminant_folds import fit_discriminant
from training.engine.initialisation import build_network
from training.engine.run import Bundle, identified_rows
from training.engine.validation import Embed, Score, ValidationSet
from training.export.litert import Integers, at_network_size, export_litert
from training.networks.int8 import ranging_pictures

REPOSITORY = Path(__file__).parent.parent
TIMED = 50
"""Pictures that the time is taken from."""


@dataclass(frozen=True)
class Way:
    """One way to export a network: its figures on every validation track, and what it costs."""

    scores: list[Score]
    milliseconds: float
    megabytes: float


def compare(name: str, bundle: Bundle, runs: Path, layers: Sequence[str] = ()) -> Iterator[str]:
    """One line of a Markdown table per validation track; `layers` are the parts of the trunk to be int8 (none: all)."""
    folder, modality = REPOSITORY / f"{name}-service", load_registry()[name]
    configuration = read_configuration(folder)
    if not isinstance(configuration, IdentifierConfiguration):
        raise ValueError(f"{folder.name}/ holds no identification model")
    rows = identified_rows(name, bundle, configuration)
    pictures = load_pictures(bundle.root, rows, max(CACHE_SIDE, modality.recipe.size))
    data = Data(rows, pictures, build_recipe(modality.recipe), configuration.validation_share)
    ways = [
        _trained(data, configuration, runs / name, int8=int8)
        if configuration.epochs
        else _fitted(data, configuration.model_copy(update={"int8": int8, "tuning": None}), bundle.weights, runs / name)
        for int8 in ((), tuple(layers or configuration.trunk.split("+")))
    ]
    for a, b in zip(*(way.scores for way in ways), strict=True):
        yield (
            f"| {a.track} ({a.queries} probes) | {a.rank1:.3f} / {a.mean_average_precision:.3f} | "
            f"{b.rank1:.3f} / {b.mean_average_precision:.3f} | {ways[1].milliseconds / ways[0].milliseconds:.2f} | "
            f"{ways[0].megabytes:.1f} | {ways[1].megabytes:.1f} |"
        )


def _fitted(data: Data, configuration: IdentifierConfiguration, weights: Path | None, run: Path) -> Way:
    """A head fitted to what the trunk says that way, judged by folds, which count as one track."""
    fitted = fit_discriminant(data, configuration, weights, lambda part, embeddings, _: part.scored(embeddings), run)
    rebuilt, _ = build_network(configuration, NETWORK_SIZE, weights)
    network = at_network_size(fitted.network, rebuilt)
    folds: dict[str, list[Score]] = {}
    for track in fitted.tracks:
        folds.setdefault(track.track.split(", fold ")[0], []).append(track.score)
    scores = [_joined(name, parts) for name, parts in folds.items()]
    return _exported(network, data, configuration, fitted.integers, lambda _: scores)


def _joined(track: str, folds: Sequence[Score]) -> Score:
    """One score of several, weighted by their queries; as many subjects as the largest has."""
    queries = [fold.queries for fold in folds]
    rank1, precision = (
        float(np.average([getattr(fold, figure) for fold in folds], weights=queries))
        for figure in ("rank1", "mean_average_precision")
    )
    return Score(track, sum(queries), max(fold.subjects for fold in folds), rank1, precision)


def _trained(data: Data, configuration: IdentifierConfiguration, run: Path, *, int8: Sequence[str]) -> Way:
    """The network of a run, exported that way."""
    network = keras.models.load_model(run / "model.keras", compile=False)
    part = ValidationSet(data.validation, data.pictures, data.recipe)
    integers = Integers(int8, ranging_pictures(data, configuration.seed)) if int8 else None
    return _exported(
        network, data, configuration, integers, lambda embed: [t.score for t in part.scored(part.embeddings(embed))]
    )


def _exported(
    network: keras.Model,
    data: Data,
    configuration: IdentifierConfiguration,
    integers: Integers | None,
    scored: Callable[[Embed], list[Score]],
) -> Way:
    timed = np.stack(ranging_pictures(data, configuration.seed)[:TIMED])
    with tempfile.TemporaryDirectory() as folder:
        export_litert(network, Path(folder), float16=configuration.float16, integers=integers)
        session = LiteRTSession(Path(folder))
        scores = scored(lambda images: session.run(images.astype(np.uint8)))
        session.run(timed)
        begun = time.process_time()
        session.run(timed)
        milliseconds = 1000 * (time.process_time() - begun) / len(timed)
        megabytes = (Path(folder) / MODEL_FILE).stat().st_size / 1e6
    return Way(scores, milliseconds, megabytes)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.quantisation", description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs")
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    parser.add_argument("--layer", action="append", default=[], help="part of the trunk to be int8 (default: all)")
    parser.add_argument("--modality", action="append", choices=load_registry().names)
    options = parser.parse_args(arguments)
    weights = options.weights or options.data.parent / "weights"
    bundle = Bundle(options.data, read_manifest(options.data), weights if weights.is_dir() else None)
    print("| validation track | float: rank-1 / mAP | int8 | time, ratio | MB | MB in int8 |")  # noqa: T201
    print("|---|---|---|---|---|---|")  # noqa: T201
    for name in options.modality or load_registry().names:
        for line in compare(name, bundle, options.runs, options.layer):
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
