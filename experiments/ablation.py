"""Measure the value of each preprocessing step on validation subjects.

Command: `python -m experiments.ablation --data BUNDLE`. It scores frozen ImageNet features (cosine, and whitened on the
training subjects) under recipes with one step switched on. Nothing of `split=test` is read.
Answer: docs/notebook/evaluation.md, "Which preprocessing steps pay". It decides which steps the registry switches on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import keras
import numpy as np
from numpy.typing import NDArray

from experiments.command import REPOSITORY, arguments_parser, read_bundle
from shared.images.recipes import build_recipe
from shared.modalities import Modality, RecipeSpec, load_registry
from shared.models.protocols import NETWORK_SIZE
from training.configuration import IdentifierConfiguration, read_configuration
from training.data.dataset import Bundle, Dataset, dataset_of, identifier_rows
from training.data.images import load_pictures
from training.data.splits import validation_protocols
from training.engine.initialisation import WHITENING_IMAGES, at_size, in_batches, whiten_head
from training.engine.validation import ValidationSet, embedder
from training.networks.backbones import build_backbone
from training.networks.layers import build_identifier


def variants(recipe: RecipeSpec) -> Iterator[tuple[str, RecipeSpec]]:
    """Return recipes with no step, with each step alone, and with all steps of prior work but the optional edges."""
    names = [step.name for step in recipe.steps]
    yield "no step", recipe.only()
    yield from ((f"only {name}", recipe.only(name)) for name in names)
    yield "all but edges", recipe.only(*(name for name in names if name != "canny_overlay"))


def ablate(modality: Modality, bundle: Bundle, configuration: IdentifierConfiguration) -> Iterator[str]:
    """Return one line of a markdown table per recipe."""
    rows = identifier_rows(modality.name, bundle, configuration)
    pictures = load_pictures(bundle.root, rows)
    network = build_identifier(build_backbone(configuration.backbone, 224, bundle.weights), exponent=1.0)
    features = keras.Model(network.input, network.get_layer("unit_features").output)
    for name, spec in variants(modality.recipe):
        data = dataset_of(rows, pictures, build_recipe(spec), configuration.validation_share)
        validation = ValidationSet(validation_protocols(data.validation), pictures, data.recipe)
        frozen = validation.embeddings(embedder(features))
        pictured = (pictures[path] for path in _some_paths(data, configuration.seed))
        whiten_head(network, in_batches(features, pictured, at_size(data.recipe, NETWORK_SIZE)))
        for plain, white in zip(validation.scored(frozen), validation.scored(_whitened(network, frozen)), strict=True):
            a, b = plain.score, white.score
            yield (
                f"| {modality.name} | {a.track} ({a.queries} probes, {a.subjects} subjects) | {name} | "
                f"{a.rank1:.3f} / {a.mean_average_precision:.3f} | {b.rank1:.3f} / {b.mean_average_precision:.3f} |"
            )


def _some_paths(data: Dataset, seed: int) -> list[str]:
    paths = sorted({row.path for row in data.training})
    return list(np.random.default_rng(seed).permutation(paths)[:WHITENING_IMAGES])


def _whitened(network: keras.Model, features: NDArray[np.float32]) -> NDArray[np.float32]:
    embedded = network.get_layer("embedding")(network.get_layer("dense")(features))
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.normalize(embedded, axis=-1)), np.float32)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 2 with a sentence if data or weights are missing."""
    options = arguments_parser("ablation", __doc__).parse_args(arguments)
    registry = load_registry()
    try:
        bundle = read_bundle(options)
    except ValueError as error:
        print(f"ablation: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print("| modality | validation track | recipe | frozen: rank-1 / mAP | whitened: rank-1 / mAP |")  # noqa: T201
    print("|---|---|---|---|---|")  # noqa: T201
    for name in options.modality or registry.names:
        configuration = read_configuration(REPOSITORY / f"{name}-service")
        if isinstance(configuration, IdentifierConfiguration):
            for line in ablate(registry[name], bundle, configuration):
                print(line, flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
