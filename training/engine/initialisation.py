"""Networks as they start: the pretrained backbone and a head fitted to its features of the training images."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from shared.images.recipes import Recipe
from shared.images.views import square_view
from shared.models.protocols import NETWORK_SIZE
from training.configuration import FinetuneSettings, IdentifierConfiguration
from training.data.batches import Preprocess
from training.data.dataset import Dataset
from training.networks.backbones import build_backbone, build_depths, freeze_batch_normalisation
from training.networks.layers import build_identifier, linear_identifier

WHITENING_IMAGES = 1024
"""Images that a whitening is fitted to."""


class FeatureExtractor(Protocol):
    """A network or backbone, of Keras or of `training.networks.int8`."""

    def predict_on_batch(self, images: NDArray[np.float32]) -> Any:
        """Return float32 (n, d) of float32 (n, h, w, 3), RGB 0-255."""


def build_network(
    configuration: IdentifierConfiguration, size: int | None, weights: Path | None
) -> tuple[keras.Model, keras.Model]:
    """Return the network of a configuration with an unfitted head, and its backbone.

    It takes images of `size`; None: any multiple of 32. Backbones of a discriminant have a fixed size, since their
    depths are identified by the size of their maps: for them None means the configuration's size.
    """
    if configuration.discriminant:
        grid = configuration.discriminant.grid
        depths = build_depths(configuration.backbone, size or configuration.size, weights, grid=grid)
        return linear_identifier(depths), depths
    settings = configuration.finetune or FinetuneSettings()
    backbone = build_backbone(configuration.backbone, size, weights)
    network = build_identifier(
        backbone, dense=settings.hidden_units, dropout=settings.dropout, exponent=settings.pooling_exponent
    )
    return network, backbone


def start_network(
    data: Dataset, configuration: IdentifierConfiguration, weights: Path | None
) -> tuple[keras.Model, keras.Model]:
    """Return a network to finetune, whose head whitens the backbone's features of training images; and its backbone."""
    keras.utils.set_random_seed(configuration.seed)
    network, backbone = build_network(configuration, None, weights)
    freeze_batch_normalisation(backbone)
    paths = sorted({row.path for row in data.training})
    drawn = np.random.default_rng(configuration.seed).permutation(paths)[:WHITENING_IMAGES]
    features = keras.Model(network.input, network.get_layer("unit_features").output)
    preprocess = at_size(data.recipe, configuration.size)
    whiten_head(network, in_batches(features, (data.pictures[path] for path in drawn), preprocess))
    return network, backbone


def whiten_head(identifier: keras.Model, features: NDArray[np.float32], shrinkage: float = 0.1) -> None:
    """Set the two dense layers to principal components and their whitening, with shrunk variances.

    `features` is float32 (n, c), the output of layer `unit_features` for training images. The first layer keeps the
    strongest directions. The second divides each by its standard deviation, shrunk towards that of the strongest: full
    whitening would amplify the noise of weak ones (Jégou & Chum, ECCV 2012). Training starts where frozen features end.
    """
    dense, embedding = identifier.get_layer("dense"), identifier.get_layer("embedding")
    mean = features.mean(axis=0)
    _, singular, directions = np.linalg.svd(features - mean, full_matrices=False)
    # without this the signs would depend on rounding, and a continued run would start elsewhere
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, np.newaxis]
    kept = min(dense.units, len(singular))
    projection = np.zeros((features.shape[1], dense.units), np.float32)
    projection[:, :kept] = directions[:kept].T
    dense.set_weights([projection, -mean @ projection])
    variances = np.square(singular[: min(kept, embedding.units)]) / len(features)
    scales = 1.0 / np.sqrt(variances + shrinkage * variances[0])
    whitening = np.zeros((dense.units, embedding.units), np.float32)
    diagonal = np.arange(len(scales))
    whitening[diagonal, diagonal] = scales / scales.max()
    embedding.set_weights([whitening, np.zeros(embedding.units, np.float32)])


def at_size(recipe: Recipe, size: int) -> Preprocess:
    """Return the preprocessing of service (recipe and view), then resizing to the size of the training."""
    return lambda image: square_view(square_view(recipe(image), NETWORK_SIZE), size)


def in_batches(
    extractor: FeatureExtractor, images: Iterable[NDArray[np.uint8]], preprocess: Preprocess, batch: int = 64
) -> NDArray[np.float32]:
    """Return the outputs for decoded images after `preprocess`, float32 (n, d)."""
    prepared = (preprocess(image).astype(np.float32) for image in images)
    outputs = []
    while chunk := list(islice(prepared, batch)):
        outputs.append(np.asarray(extractor.predict_on_batch(np.stack(chunk)), np.float32))
    return np.concatenate(outputs)
