"""`python -m experiments.ablation --data BUNDLE`: what each preprocessing step is worth, on validation subjects.

Frozen ImageNet features (cosine, and whitened on the training subjects) under every recipe with one step switched: a
cheap, honest proxy that decides which steps are on in the registry. Nothing of `split=test` is read.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from shared.images.recipes import build_recipe
from shared.modalities import Modality, RecipeSpec, load_registry
from shared.models.protocols import NETWORK_SIZE
from training.data.bundle_manifest import read_manifest
from training.data.dataset import Data
from training.data.images import load_pictures
from training.engine.configuration import IdentifierConfiguration, read_configuration
from training.engine.initialisation import WHITENING_PICTURES, at_size, in_batches
from training.engine.run import Bundle, identified_rows
from training.engine.validation import ValidationSet, embedder
from training.engine.whitening import whiten_head
from training.networks.backbones import build_trunk
from training.networks.layers import build_identifier

REPOSITORY = Path(__file__).parent.parent


def variants(recipe: RecipeSpec) -> Iterator[tuple[str, RecipeSpec]]:
    """No step, every step alone, and all that the prior work applies (the optional edges left out)."""
    names = [step.name for step in recipe.steps]
    yield "no step", recipe.only()
    yield from ((f"only {name}", recipe.only(name)) for name in names)
    yield "all but edges", recipe.only(*(name for name in names if name != "canny_overlay"))


def ablate(modality: Modality, bundle: Bundle, configuration: IdentifierConfiguration) -> Iterator[str]:
    """One line of a Markdown table per variant."""
    rows = identified_rows(modality.name, bundle, configuration)
    pictures = load_pictures(bundle.root, rows)
    network = build_identifier(build_trunk(configuration.trunk, 224, bundle.weights), exponent=1.0)
    features = keras.Model(network.input, network.get_layer("unit_features").output)
    for name, spec in variants(modality.recipe):
        data = Data(rows, pictures, build_recipe(spec), configuration.validation_share)
        validation = ValidationSet(data.validation, pictures, data.recipe)
        frozen = validation.embeddings(embedder(features))
        pictured = (pictures[path] for path in _some_paths(data, configuration.seed))
        whiten_head(network, in_batches(features, pictured, at_size(data.recipe, NETWORK_SIZE)))
        for plain, white in zip(validation.scored(frozen), validation.scored(_whitened(network, frozen)), strict=True):
            a, b = plain.score, white.score
            yield (
                f"| {modality.name} | {a.track} ({a.queries} probes, {a.subjects} subjects) | {name} | "
                f"{a.rank1:.3f} / {a.mean_average_precision:.3f} | {b.rank1:.3f} / {b.mean_average_precision:.3f} |"
            )


def _some_paths(data: Data, seed: int) -> list[str]:
    paths = sorted({row.path for row in data.fitting})
    return list(np.random.default_rng(seed).permutation(paths)[:WHITENING_PICTURES])


def _whitened(network: keras.Model, features: NDArray[np.float32]) -> NDArray[np.float32]:
    embedded = network.get_layer("embedding")(network.get_layer("dense")(features))
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.normalize(embedded, axis=-1)), np.float32)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.ablation", description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--modality", choices=load_registry().names, action="append")
    options = parser.parse_args(arguments)
    bundle = Bundle(options.data, read_manifest(options.data), options.weights or options.data.parent / "weights")
    registry = load_registry()
    print("| modality | validation track | recipe | frozen: rank-1 / mAP | whitened: rank-1 / mAP |")  # noqa: T201
    print("|---|---|---|---|---|")  # noqa: T201
    for name in options.modality or registry.names:
        configuration = read_configuration(REPOSITORY / f"{name}-service")
        if isinstance(configuration, IdentifierConfiguration):
            for line in ablate(registry[name], bundle, configuration):
                print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
