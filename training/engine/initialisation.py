"""What a network starts from: the pretrained trunk, and a head fitted to its features of the training pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from shared.images.recipes import Recipe
from shared.images.views import square_view
from shared.models.protocols import NETWORK_SIZE
from training.data.augmentation import augment
from training.data.batches import Preprocess
from training.data.bundle_manifest import Row
from training.data.dataset import Data
from training.data.synthetic_identities import deform
from training.engine.configuration import IdentifierConfiguration
from training.engine.contrastive import Pairs, contrasted
from training.engine.linear_discriminant import Array, Map, discriminant
from training.engine.whitening import whiten_head
from training.networks.backbones import build_depths, build_trunk, depth_sizes, freeze_batch_normalisation
from training.networks.layers import build_identifier, linear_identifier, mirror_symmetric

WHITENING_PICTURES = 1024


class Reads(Protocol):
    """A trunk, as Keras has it or as `training.networks.int8` does."""

    def predict_on_batch(self, images: NDArray[np.float32]) -> Any:
        """Float32 (n, d) of float32 (n, h, w, 3), RGB 0-255."""


def start_network(
    data: Data, configuration: IdentifierConfiguration, weights: Path | None
) -> tuple[keras.Model, keras.Model]:
    """The pretrained trunk behind a head that fits `data.fitting`, and the trunk itself."""
    keras.utils.set_random_seed(configuration.seed)
    network, trunk = build_network(configuration, None, weights)
    freeze_batch_normalisation(trunk)
    if configuration.depths:
        set_discriminant(network, trunk, shown_features(trunk, data, configuration), configuration)
    else:
        _start_from_whitening(network, data, configuration)
    return (mirror_symmetric(network) if configuration.mirrored else network), trunk


def build_network(
    configuration: IdentifierConfiguration, size: int | None, weights: Path | None
) -> tuple[keras.Model, keras.Model]:
    """The network that the configuration asks for, not yet mirror-symmetric, and its trunk.

    It takes pictures of `size`. None stands for any multiple of 32, or, since depths are told apart by the size of
    their maps, for the configuration's size where it has depths.
    """
    if configuration.depths:
        depths = build_depths(configuration.trunk, size or configuration.size, weights, grid=configuration.grid)
        return linear_identifier(depths, dropout=configuration.dropout), depths
    trunk = build_trunk(configuration.trunk, size, weights)
    network = build_identifier(
        trunk, dense=configuration.dense, dropout=configuration.dropout, exponent=configuration.exponent
    )
    return network, trunk


@dataclass(frozen=True)
class Shown:
    """Features float32 (n, d) of the pictures of a fitting part, with the identity that each shows.

    Every picture comes first as it is.
    """

    features: NDArray[np.float32]
    rows: Sequence[Row]
    versions: NDArray[np.intp]

    def of(self, subjects: Set[str]) -> Shown:
        """Those of some subjects."""
        kept = np.flatnonzero([row.subject in subjects for row in self.rows])
        return Shown(self.features[kept], [self.rows[i] for i in kept.tolist()], self.versions[kept])

    def as_they_are(self) -> dict[str, NDArray[np.float32]]:
        """The features of every picture without a change, by its path."""
        first: dict[str, NDArray[np.float32]] = {}
        for row, features in zip(self.rows, self.features, strict=True):
            first.setdefault(row.path, features)
        return first

    @property
    def labels(self) -> NDArray[np.intp]:
        """A number for every subject in every version, from 0 on."""
        names = [f"{row.subject} {version}" for row, version in zip(self.rows, self.versions, strict=True)]
        return np.asarray(np.unique(names, return_inverse=True)[1], np.intp)


def shown_features(trunk: Reads, data: Data, configuration: IdentifierConfiguration) -> Shown:
    """Every picture of `data.fitting` in every version that the configuration asks for, then the copies it asks for.

    The features of a copy lie between those of its picture and those of the augmented picture, `copies` of the way. So
    augmentation counts among what pictures of one patient differ in, by the square of that.
    """
    looks = [(row, version) for version in range(1 + configuration.virtual) for row in data.fitting]
    shown = _features(trunk, data, configuration, looks)
    parts = [shown]
    if configuration.copies:
        rng = np.random.default_rng(configuration.seed)
        copied = _features(
            trunk, data, configuration, looks, lambda p: augment(p, NETWORK_SIZE, configuration.augmentation, rng)
        )
        parts.append(shown + configuration.copies * (copied - shown))
    if configuration.mirror_copies:
        parts.append(_features(trunk, data, configuration, looks, lambda p: np.ascontiguousarray(p[:, ::-1])))
    looks = looks * len(parts)
    return Shown(np.concatenate(parts), [row for row, _ in looks], np.array([version for _, version in looks]))


def _features(
    trunk: Reads,
    data: Data,
    configuration: IdentifierConfiguration,
    looks: Sequence[tuple[Row, int]],
    change: Preprocess | None = None,
) -> NDArray[np.float32]:
    pictures = (
        deform(data.pictures[row.path], row.subject, version, mirror=not configuration.augmentation.flip_horizontal)
        for row, version in tqdm(looks, desc="features", unit="picture")
    )
    taken = map(change, pictures) if change else pictures
    return in_batches(trunk, taken, at_size(data.recipe, configuration.size))


def set_discriminant(
    network: keras.Model, trunk: keras.Model, shown: Shown, configuration: IdentifierConfiguration
) -> None:
    """Make the network's dense layer the linear discriminant of what was shown, refined where that is asked for."""
    layer, refine = network.get_layer("embedding"), None
    if configuration.contrastive_steps:
        # a version of a subject is another person, and what is seen of them another picture
        pictures = [f"{row.path} {version}" for row, version in zip(shown.rows, shown.versions, strict=True)]

        def refine(values: Array, head: Array) -> Map:
            pairs = Pairs(values, shown.labels, pictures, configuration.contrastive_steps, configuration.seed)
            return contrasted(head, pairs, configuration.contrastive_learning_rate, configuration.seed)

    layer.set_weights(
        discriminant(
            shown.features,
            shown.labels,
            depth_sizes(trunk),
            layer.units,
            shrinkage=configuration.shrinkage,
            within=configuration.within,
            refine=refine,
        )
    )


def embedded(network: keras.Model, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the head of a linear identifier makes of features, float32 (n, d): float32 (n, 256), L2-normalised."""
    kernel, bias = network.get_layer("embedding").get_weights()
    values = features @ kernel + bias
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)


def at_size(recipe: Recipe, size: int) -> Preprocess:
    """The network's view as in serving, at the size of the training."""
    return lambda image: square_view(square_view(recipe(image), NETWORK_SIZE), size)


def in_batches(
    function: Reads, images: Iterable[NDArray[np.uint8]], preprocess: Preprocess, batch: int = 64
) -> NDArray[np.float32]:
    """Outputs of `function` for decoded pictures, after `preprocess`: float32 (n, d)."""
    prepared = (preprocess(image).astype(np.float32) for image in images)
    outputs = []
    while chunk := list(islice(prepared, batch)):
        outputs.append(np.asarray(function.predict_on_batch(np.stack(chunk)), np.float32))
    return np.concatenate(outputs)


def _start_from_whitening(network: keras.Model, data: Data, configuration: IdentifierConfiguration) -> None:
    paths = sorted({row.path for row in data.fitting})
    drawn = np.random.default_rng(configuration.seed).permutation(paths)[:WHITENING_PICTURES]
    features = keras.Model(network.input, network.get_layer("unit_features").output)
    preprocess = at_size(data.recipe, configuration.size)
    shown = in_batches(features, (data.pictures[path] for path in drawn), preprocess)
    whiten_head(network, shown, configuration.shrinkage)
