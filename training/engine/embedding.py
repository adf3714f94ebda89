"""Training of an identification network: cosine softmax over the training patients and a metric loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.models.protocols import NETWORK_SIZE
from training.data.batches import IdentityBatches
from training.data.bundle_manifest import Row
from training.data.dataset import Data
from training.data.synthetic_identities import deform
from training.engine.configuration import IdentifierConfiguration
from training.engine.initialisation import at_size, in_batches, start_network
from training.engine.losses import CosineSoftmax, batch_hard_triplet
from training.engine.optimiser import TwoSpeedAdamW
from training.engine.validation import ValidationSet, embedder

SOFTNESS = 10.0
"""Scale of the cosine gap in the triplet loss: a gap of 0.1 is one unit of the softplus."""
WARM_UP = 0.05
"""Share of all steps in which the learning rate rises."""
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
WITHIN = 0.01


class IdentityLearner(keras.Model):
    """The network with the training patients' class directions, which are thrown away afterwards."""

    def __init__(self, network: keras.Model, classes: int, configuration: IdentifierConfiguration) -> None:
        super().__init__(name="identity_learner")
        self.network, self.configuration = network, configuration
        self.head = CosineSoftmax(classes, configuration.scale, configuration.margin, name="head")
        self.head.build((None, network.output_shape[-1]))
        self.built = True

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:  # noqa: FBT001, FBT002
        """Float (n, h, w, 3) -> float (n, 256)."""
        return self.network(images, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """Cosine softmax plus the weighted triplet loss."""
        del x, sample_weight, training
        return self.head(y_pred, y) + self.configuration.triplet_weight * batch_hard_triplet(y_pred, y, SOFTNESS)


class BestByValidation(keras.callbacks.Callback):
    """Keeps the weights with the best mean average precision, averaged over the validation tracks."""

    def __init__(self, network: keras.Model, validation: ValidationSet, path: Path) -> None:
        super().__init__()
        self._network, self._validation, self._path, self.best = network, validation, path, -1.0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Score, log and save."""
        logs = logs if logs is not None else {}
        scores = [s.score for s in self._validation.scored(self._validation.embeddings(embedder(self._network)))]
        for score in scores:
            logs[f"val_rank1_{score.track}"] = score.rank1
        logs["val_map"] = float(np.mean([s.mean_average_precision for s in scores]))
        if logs["val_map"] > self.best:
            self.best = logs["val_map"]
            self._network.save_weights(self._path)


def train_identifier(
    data: Data, configuration: IdentifierConfiguration, weights: Path | None, run: Path
) -> keras.Model:
    """The best network of the run, by the validation subjects.

    `run` holds checkpoints and the log; a run that was cut off goes on from its last epoch.
    """
    network, trunk = start_network(data, configuration, weights)
    validation = ValidationSet(data.validation, data.pictures, data.recipe)
    _learn(network, trunk, data, configuration, validation, run)
    return network


def _learn(
    network: keras.Model,
    trunk: keras.Model,
    data: Data,
    configuration: IdentifierConfiguration,
    validation: ValidationSet,
    run: Path,
) -> None:
    start = network.get_weights()
    learner, batches = start_learner(network, data, configuration)
    finished = run / "finished"
    if not finished.is_file():
        _fit(learner, trunk, batches, BestByValidation(network, validation, run / "best.weights.h5"), run)
        finished.touch()
    network.load_weights(run / "best.weights.h5")
    _pull_towards(start, network, validation)


def _pull_towards(start: Sequence[NDArray[np.float32]], network: keras.Model, validation: ValidationSet) -> None:
    """Set the weights to the point between start and end of the training that is nearest to the start and as good.

    As good means: its mean average precision on validation is within `WITHIN` of the best point's. What is learned from
    few subjects of one site then costs less of what the trunk knew (WiSE-FT: Wortsman et al., CVPR 2022).
    """
    end = network.get_weights()
    scores = {}
    for share in SHARES:
        network.set_weights([(1 - share) * a + share * b for a, b in zip(start, end, strict=True)])
        scored = validation.scored(validation.embeddings(embedder(network)))
        scores[share] = float(np.mean([track.score.mean_average_precision for track in scored]))
    share = min(share for share in SHARES if scores[share] >= max(scores.values()) - WITHIN)
    network.set_weights([(1 - share) * a + share * b for a, b in zip(start, end, strict=True)])
    print(f"kept {share:.0%} of the training: " + ", ".join(f"{s:.0%} {v:.3f}" for s, v in scores.items()))  # noqa: T201


def start_learner(
    network: keras.Model, data: Data, configuration: IdentifierConfiguration, *, most: int | None = None
) -> tuple[IdentityLearner, IdentityBatches]:
    """What learns from `data.fitting`, and the batches it learns from.

    Class directions start as the mean embedding of their pictures (of the first `most` of each subject), so that the
    first steps do not tear the trunk.
    """
    batches = _batches(data, configuration)
    learner = IdentityLearner(network, len(batches.subjects) * batches.versions, configuration)
    _start_from_class_means(learner, batches, data, configuration, most)
    return learner, batches


def optimiser(configuration: IdentifierConfiguration, slow: keras.Model) -> TwoSpeedAdamW:
    """Its learning rate rises and falls once over all steps; that of `slow` is a part of it."""
    steps = configuration.steps * configuration.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        round((1 - WARM_UP) * steps),
        warmup_target=configuration.learning_rate,
        warmup_steps=round(WARM_UP * steps),
        alpha=0.01,
    )
    averaged = {"use_ema": True, "ema_momentum": configuration.ema} if configuration.ema else {}
    return TwoSpeedAdamW(
        schedule, slow, configuration.trunk_learning_rate_factor, weight_decay=1e-4, clipnorm=5.0, **averaged
    )


def _batches(data: Data, configuration: IdentifierConfiguration) -> IdentityBatches:
    return IdentityBatches(
        data.fitting,
        data.pictures,
        at_size(data.recipe, configuration.size),
        configuration.augmentation,
        view=NETWORK_SIZE,
        identities=configuration.identities,
        pictures_each=configuration.pictures_each,
        steps=configuration.steps,
        seed=configuration.seed,
        virtual=configuration.virtual,
    )


def _start_from_class_means(
    learner: IdentityLearner,
    batches: IdentityBatches,
    data: Data,
    configuration: IdentifierConfiguration,
    most: int | None,
) -> None:
    index = {subject: i for i, subject in enumerate(batches.subjects)}
    shown = _first(data.fitting, most)
    means = np.zeros((len(index), batches.versions, EMBEDDING_DIMENSION), np.float32)
    preprocess = at_size(data.recipe, configuration.size)
    mirror = not configuration.augmentation.flip_horizontal
    for version in range(batches.versions):
        pictures = (deform(data.pictures[row.path], row.subject, version, mirror=mirror) for row in shown)
        embeddings = in_batches(learner.network, pictures, preprocess)
        np.add.at(means[:, version], [index[row.subject] for row in shown], embeddings)
    learner.head.directions.assign(means.reshape(-1, EMBEDDING_DIMENSION))


def _first(rows: Sequence[Row], most: int | None) -> list[Row]:
    """At most so many rows of each subject."""
    seen = Counter[str]()
    kept = []
    for row in rows:
        if most is None or seen[row.subject] < most:
            kept.append(row)
        seen[row.subject] += 1
    return kept


def _fit(
    learner: IdentityLearner, trunk: keras.Model, batches: IdentityBatches, best: BestByValidation, run: Path
) -> None:
    configuration = learner.configuration
    learner.compile(optimizer=optimiser(configuration, trunk))
    learner.fit(
        batches,
        epochs=configuration.epochs,
        verbose=2,
        callbacks=[
            # first, so that what follows sees the averaged weights
            *([keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if configuration.ema else []),
            best,
            keras.callbacks.EarlyStopping("val_map", mode="max", patience=configuration.patience),
            keras.callbacks.CSVLogger(run / "log.csv", append=True),
            keras.callbacks.BackupAndRestore(run / "backup", delete_checkpoint=False),
        ],
    )
