"""Training of COMPA, the classifier of modality and sub-type, which refuses other images.

The pretrained backbone stays frozen, so its features are computed once (`training.engine.feature_cache`). Only the head
is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.configuration import ClassifierConfiguration
from training.data.labelled_images import LabelledImages
from training.engine.checkpoints import LOG_FILE
from training.engine.feature_cache import FeatureCache, LabelledFeatures
from training.networks.backbones import build_backbone
from training.networks.int8 import CALIBRATION_IMAGES, Int8Backbone, Int8Parts
from training.networks.layers import PixelsToFloat, classifier_head, multiscale_features

WEIGHT_DECAY = 1e-4


@dataclass(frozen=True)
class Classifier:
    """A trained network for uint8 (n, 224, 224, 3), its validation images, and their outputs.

    `outputs` is float32 (n, k): probabilities of the labels, `other` last, then those of each modality's sub-types.
    `predict` gives the outputs of the network as exported: with an int8 backbone if `int8` is set.
    """

    network: keras.Model
    validation: LabelledFeatures
    outputs: NDArray[np.float32]
    predict: Callable[[NetworkInput], NDArray[np.float32]]
    int8: Int8Parts | None


def train_classifier(
    images: LabelledImages,
    labels: Sequence[str],
    configuration: ClassifierConfiguration,
    weights: Path | None,
    run: Path,
) -> Classifier:
    """Train a head on the frozen backbone. An interrupted run continues with the next images."""
    backbone = multiscale_features(
        build_backbone(configuration.backbone, configuration.size, weights), configuration.feature_layers
    )
    int8 = None
    if configuration.int8_layers:
        ranging = [images.training(number).view for number in range(CALIBRATION_IMAGES)]
        int8 = Int8Parts(configuration.int8_layers, ranging)
    extractor = Int8Backbone(backbone, int8) if int8 else backbone
    cache = FeatureCache(extractor, labels, configuration, run)
    training = cache.training(images.training, configuration.training_images)
    validation = cache.validation(images.validation())
    head = fit_head(training, validation, len(labels), configuration, run)
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), dtype="uint8", name="images")
    network = keras.Model(inputs, head(backbone(PixelsToFloat()(inputs))), name="classifier")
    outputs = np.asarray(head.predict(validation.features, batch_size=512, verbose=0), np.float32)

    def predict(pixels: NetworkInput) -> NDArray[np.float32]:
        return np.asarray(head.predict_on_batch(extractor.predict_on_batch(pixels)), np.float32)

    return Classifier(network, validation, outputs, predict, int8)


def fit_head(
    training: LabelledFeatures,
    validation: LabelledFeatures,
    labels: int,
    configuration: ClassifierConfiguration,
    run: Path,
) -> keras.Model:
    """Return a head: float (n, d) features -> float (n, labels and sub-types), each group's probabilities sum to 1."""
    keras.utils.set_random_seed(configuration.seed)
    sizes = {modality: len(patterns) for modality, patterns in configuration.subtypes.items()}
    head = classifier_head(
        training.features, labels, sizes, dense=configuration.hidden_units, dropout=configuration.dropout
    )
    steps = configuration.epochs * -(-len(training.labels) // configuration.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(configuration.learning_rate, steps)
    head.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY),
        loss=dict.fromkeys(["probabilities", *sizes], "sparse_categorical_crossentropy"),
    )
    targets, known = _targets(training, list(sizes))
    head.fit(
        training.features,
        targets,
        sample_weight=known,
        validation_data=(validation.features, *_targets(validation, list(sizes))),
        batch_size=configuration.batch_size,
        epochs=configuration.epochs,
        verbose=2,
        callbacks=[keras.callbacks.CSVLogger(run / LOG_FILE)],
    )
    return _in_one_row(head, ["probabilities", *sizes])


def _in_one_row(head: keras.Model, names: Sequence[str]) -> keras.Model:
    inputs = keras.Input(head.input_shape[1:], name="features")
    outputs = head(inputs)
    rows = [outputs[name] for name in names]
    joined = keras.layers.Concatenate(name="answer")(rows) if len(rows) > 1 else rows[0]
    return keras.Model(inputs, joined, name="head_in_one_row")


def _targets(
    images: LabelledFeatures, modalities: Sequence[str]
) -> tuple[dict[str, NDArray[np.intp]], dict[str, NDArray[np.float32]]]:
    """Return the numbers of label and sub-types by output, and weights that are 0 for unknown sub-types."""
    columns = dict(zip(modalities, images.subtypes.T, strict=True)) if modalities else {}
    numbers = {"probabilities": images.labels} | {name: np.maximum(column, 0) for name, column in columns.items()}
    known = {name: (column >= 0).astype(np.float32) for name, column in columns.items()}
    return numbers, {"probabilities": np.ones(len(images.labels), np.float32)} | known


def split_outputs(
    outputs: NDArray[np.float32], labels: Sequence[str], subtypes: Mapping[str, Sequence[str]]
) -> dict[str, NDArray[np.float32]]:
    """Split outputs, float32 (n, k), by name: `probabilities`, then each modality that has sub-types."""
    sizes = [len(labels), *(len(names) for names in subtypes.values())]
    return dict(zip(["probabilities", *subtypes], np.split(outputs, np.cumsum(sizes)[:-1], axis=1), strict=True))
