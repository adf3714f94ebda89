"""Training of COMPA: which modality a picture is, or none of them, and which sub-type of it.

The pretrained trunk stays frozen, so its features are computed once (`training.engine.feature_cache`). Only the head is
trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.data.labelled_images import LabelledPictures
from training.engine.configuration import ClassifierConfiguration
from training.engine.feature_cache import Lessons, Reader
from training.export.litert import Integers
from training.networks.backbones import build_trunk
from training.networks.classifier_head import build_head
from training.networks.int8 import SEEN, IntegerTrunk
from training.networks.layers import PixelsToFloat
from training.networks.multiscale_features import tapped


@dataclass(frozen=True)
class Classifier:
    """The network for uint8 (n, 224, 224, 3) pictures, the validation pictures, and its answers to them.

    An answer holds the probabilities of the labels, `other` last, then those of the sub-types of each modality that
    has any.
    """

    network: keras.Model
    validation: Lessons
    answers: NDArray[np.float32]
    answer: Callable[[NetworkInput], NDArray[np.float32]]
    """What it says as it will be exported: where its trunk is to be int8, with an integer trunk."""
    integers: Integers | None
    """What of the trunk is to be int8."""


def train_classifier(
    pictures: LabelledPictures,
    labels: Sequence[str],
    configuration: ClassifierConfiguration,
    weights: Path | None,
    run: Path,
) -> Classifier:
    """The best head on the frozen trunk. A run that was cut off goes on with the next pictures."""
    trunk = tapped(build_trunk(configuration.trunk, configuration.size, weights), configuration.taps)
    integers = None
    if configuration.int8:
        integers = Integers(configuration.int8, [pictures.training(number).view for number in range(SEEN)])
    reads = IntegerTrunk(trunk, integers) if integers else trunk
    reader = Reader(reads, labels, configuration, run)
    lessons = reader.training(pictures.training, configuration.pictures)
    held_out = reader.validation(pictures.validation())
    head = fit_head(lessons, held_out, len(labels), configuration, run)
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), dtype="uint8", name="images")
    network = keras.Model(inputs, head(trunk(PixelsToFloat()(inputs))), name="classifier")
    answers = np.asarray(head.predict(held_out.features, batch_size=512, verbose=0), np.float32)

    def answer(images: NetworkInput) -> NDArray[np.float32]:
        return np.asarray(head.predict_on_batch(reads.predict_on_batch(images)), np.float32)

    return Classifier(network, held_out, answers, answer, integers)


def fit_head(
    lessons: Lessons, held_out: Lessons, labels: int, configuration: ClassifierConfiguration, run: Path
) -> keras.Model:
    """Float (n, d) features -> float (n, labels and sub-types), each group's probabilities summing to 1."""
    keras.utils.set_random_seed(configuration.seed)
    sizes = {modality: len(patterns) for modality, patterns in configuration.subtypes.items()}
    head = build_head(lessons.features, labels, sizes, dense=configuration.dense, dropout=configuration.dropout)
    steps = configuration.epochs * -(-len(lessons.labels) // configuration.batch)
    schedule = keras.optimizers.schedules.CosineDecay(configuration.learning_rate, steps)
    head.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=configuration.weight_decay),
        loss=dict.fromkeys(["probabilities", *sizes], "sparse_categorical_crossentropy"),
    )
    targets, known = _targets(lessons, list(sizes))
    head.fit(
        lessons.features,
        targets,
        sample_weight=known,
        validation_data=(held_out.features, *_targets(held_out, list(sizes))),
        batch_size=configuration.batch,
        epochs=configuration.epochs,
        verbose=2,
        callbacks=[keras.callbacks.CSVLogger(run / "log.csv")],
    )
    return _in_one_row(head, ["probabilities", *sizes])


def _in_one_row(head: keras.Model, names: Sequence[str]) -> keras.Model:
    inputs = keras.Input(head.input_shape[1:], name="features")
    outputs = head(inputs)
    rows = [outputs[name] for name in names]
    joined = keras.layers.Concatenate(name="answer")(rows) if len(rows) > 1 else rows[0]
    return keras.Model(inputs, joined, name="head_in_one_row")


def _targets(
    lessons: Lessons, modalities: Sequence[str]
) -> tuple[dict[str, NDArray[np.intp]], dict[str, NDArray[np.float32]]]:
    """Numbers of the label and of each sub-type, and weights that are 0 where a sub-type is not known."""
    columns = dict(zip(modalities, lessons.subtypes.T, strict=True)) if modalities else {}
    numbers = {"probabilities": lessons.labels} | {name: np.maximum(column, 0) for name, column in columns.items()}
    known = {name: (column >= 0).astype(np.float32) for name, column in columns.items()}
    return numbers, {"probabilities": np.ones(len(lessons.labels), np.float32)} | known


def answers_of(
    answers: NDArray[np.float32], labels: Sequence[str], subtypes: Mapping[str, Sequence[str]]
) -> dict[str, NDArray[np.float32]]:
    """The columns of an answer by name: `probabilities`, then each modality that has sub-types."""
    sizes = [len(labels), *(len(names) for names in subtypes.values())]
    return dict(zip(["probabilities", *subtypes], np.split(answers, np.cumsum(sizes)[:-1], axis=1), strict=True))
