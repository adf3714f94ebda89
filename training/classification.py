"""Training of COMPA: which modality a picture is, or none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from shared.images.views import standard_view
from shared.modalities.registry import OTHER
from shared.models.folder import Rejection
from training.augmentation import augment
from training.configuration import ClassifierConfiguration
from training.datasets.manifest import Row
from training.datasets.pictures import Pictures
from training.datasets.split import is_validation
from training.foreign import draw_foreign
from training.networks import build_classifier
from training.optimiser import TwoSpeedAdamW
from training.trunks import build_trunk, freeze_batch_normalisation

GENERATED_SHARE = 0.5
"""Share of the pictures of `other` that are generated; the rest are the bundle's foreign pictures."""


@dataclass(frozen=True)
class LabelledRows:
    """Rows by label of the registry, `other` last; every modality that is not in the registry is `other`."""

    labels: tuple[str, ...]
    rows: Sequence[Row]

    def of(self, label: str, *, validation: bool, share: float) -> list[Row]:
        """The rows of one label in one part. A row without a subject is cut by its path."""
        known = self.labels[:-1]
        return [
            row
            for row in self.rows
            if (row.modality if row.modality in known else OTHER) == label
            and is_validation(row.subject or row.path, share) == validation
        ]


class ModalityBatches(keras.utils.PyDataset):
    """Batches balanced over labels and, within a label, over sources: float32 (n, 224, 224, 3), one-hot (n, labels)."""

    def __init__(self, data: LabelledRows, pictures: Pictures, configuration: ClassifierConfiguration) -> None:
        super().__init__(workers=2, max_queue_size=8)
        self._labels, self._pictures, self._configuration = data.labels, pictures, configuration
        self._pools = [
            _by_source(data.of(x, validation=False, share=configuration.validation_share)) for x in data.labels
        ]
        self.epoch = 0

    def __len__(self) -> int:
        return self._configuration.steps

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng((self._configuration.seed, self.epoch, index))
        labels = rng.permutation(np.arange(self._configuration.batch) % len(self._labels))
        images = [self._draw(int(label), rng) for label in labels]
        return np.stack(images).astype(np.float32), np.eye(len(self._labels), dtype=np.float32)[labels]

    def on_epoch_end(self) -> None:
        """Draw differently in the next epoch."""
        self.epoch += 1

    def _draw(self, label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        foreign = label == len(self._labels) - 1
        if foreign and rng.random() < GENERATED_SHARE:
            picture = draw_foreign(rng, self._pick(int(rng.integers(label)), rng))
        else:
            picture = self._pick(label, rng)
        if rng.random() < self._configuration.invert:
            picture = 255 - picture
        return augment(picture, self._configuration.size, self._configuration.augmentation, rng)

    def _pick(self, label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        pool = self._pools[label]
        source = pool[int(rng.integers(len(pool)))]
        return self._pictures[source[int(rng.integers(len(source)))]]


def _by_source(rows: Sequence[Row]) -> list[list[str]]:
    sources = sorted({row.source for row in rows})
    return [sorted({row.path for row in rows if row.source == source}) for source in sources]


def validation_pictures(
    data: LabelledRows, pictures: Pictures, configuration: ClassifierConfiguration
) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """uint8 (n, 224, 224, 3) as served, and int (n,) labels; generated foreign pictures, as many as real ones, too."""
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    rng = np.random.default_rng(configuration.seed)
    for label, name in enumerate(data.labels):
        rows = data.of(name, validation=True, share=configuration.validation_share)
        images += [standard_view(pictures[row.path]) for row in rows]
        if name == OTHER:
            images += [standard_view(draw_foreign(rng, pictures[row.path])) for row in rows]
        labels += [label] * (len(images) - len(labels))
    return np.stack(images), np.array(labels)


def train_classifier(
    data: LabelledRows,
    pictures: Pictures,
    configuration: ClassifierConfiguration,
    weights: Path | None,
    run: Path,
) -> keras.Model:
    """The network with the best validation loss; a run that was cut off goes on from its last epoch."""
    keras.utils.set_random_seed(configuration.seed)
    trunk = build_trunk(configuration.trunk, None, weights)
    freeze_batch_normalisation(trunk)
    trunk.trainable = configuration.trunk_learning_rate_factor > 0
    network = build_classifier(trunk, len(data.labels), dense=configuration.dense, dropout=configuration.dropout)
    optimiser = TwoSpeedAdamW(configuration.learning_rate, trunk, configuration.trunk_learning_rate_factor)
    network.compile(optimizer=optimiser, loss="categorical_crossentropy", metrics=["accuracy"])
    images, labels = validation_pictures(data, pictures, configuration)
    best = run / "best.weights.h5"
    network.fit(
        ModalityBatches(data, pictures, configuration),
        validation_data=(images.astype(np.float32), np.eye(len(data.labels), dtype=np.float32)[labels]),
        epochs=configuration.epochs,
        verbose=2,
        callbacks=[
            keras.callbacks.ModelCheckpoint(best, monitor="val_loss", save_best_only=True, save_weights_only=True),
            keras.callbacks.EarlyStopping("val_loss", patience=configuration.patience),
            keras.callbacks.CSVLogger(run / "log.csv", append=True),
            keras.callbacks.BackupAndRestore(run / "backup", delete_checkpoint=False),
        ],
    )
    network.load_weights(best)
    return network


def fit_rejection(
    probabilities: NDArray[np.float32], labels: NDArray[np.intp], accepted_loss: float
) -> tuple[Rejection, dict[str, float]]:
    """Temperature by likelihood, never sharper than trained; a threshold on P(other).

    The threshold refuses at most the share `accepted_loss` of good pictures.

    `probabilities` is float (n, labels), `other` last. Also returns the figures of the card.
    """
    logs = np.log(np.clip(probabilities.astype(np.float64), 1e-9, 1.0))
    temperature = min(np.geomspace(1.0, 4.0, 40), key=lambda t: _negative_log_likelihood(logs / t, labels))
    tempered = np.exp(logs / temperature)
    tempered /= tempered.sum(axis=1, keepdims=True)
    foreign = labels == probabilities.shape[1] - 1
    threshold = float(np.clip(np.quantile(tempered[~foreign, -1], 1 - accepted_loss), 0.05, 0.5))
    figures = {
        "accuracy over the modalities": float(np.mean(tempered[~foreign].argmax(axis=1) == labels[~foreign])),
        "good pictures refused": float(np.mean(tempered[~foreign, -1] >= threshold)),
        "foreign pictures refused": float(np.mean(tempered[foreign, -1] >= threshold)),
    }
    return Rejection(temperature=float(temperature), threshold=round(threshold, 4)), figures


def _negative_log_likelihood(logits: NDArray[np.float64], labels: NDArray[np.intp]) -> float:
    normaliser = np.logaddexp.reduce(logits, axis=1)
    return float(np.mean(normaliser - logits[np.arange(len(labels)), labels]))
