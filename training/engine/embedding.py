"""Finetuning of an identification network: cosine softmax over the training patients and a triplet loss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.identification.cohort import Cohort
from shared.models.protocols import NETWORK_SIZE
from training.configuration import FinetuneSettings, IdentifierConfiguration
from training.data.batches import IdentityBatches
from training.data.dataset import Dataset
from training.data.splits import validation_protocols
from training.engine.checkpoints import LOG_FILE
from training.engine.discriminant_folds import (
    FittedIdentifier,
    TrackScorer,
    cohort_paths,
    embed_cohort,
    later_visits_of,
)
from training.engine.initialisation import at_size, in_batches, start_network
from training.engine.losses import CosineSoftmax, batch_hard_triplet
from training.engine.optimiser import TwoSpeedAdamW
from training.engine.validation import Embed, TrackScores, ValidationSet, embedder

SOFTNESS = 10.0
"""Scale of the cosine gap in the triplet loss: a gap of 0.1 is one unit of the softplus."""
WARM_UP = 0.05
"""Fraction of all steps in which the learning rate rises."""
INTERPOLATIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Points between the weights at the start and at the end of training that are compared."""
TOLERANCE = 0.01
"""Mean average precision below the best point's that still counts as equally good."""


class IdentityLearner(keras.Model):
    """The network with the class directions of the training patients, which are dropped after training."""

    def __init__(self, network: keras.Model, classes: int, settings: FinetuneSettings) -> None:
        super().__init__(name="identity_learner")
        self.network, self.settings = network, settings
        self.head = CosineSoftmax(classes, settings.scale, settings.margin, name="head")
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
        """Return the cosine softmax plus the weighted triplet loss."""
        del x, sample_weight, training
        return self.head(y_pred, y) + self.settings.triplet_weight * batch_hard_triplet(y_pred, y, SOFTNESS)


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


def finetune_identifier(
    data: Dataset, configuration: IdentifierConfiguration, weights: Path | None, score: TrackScorer, run: Path
) -> FittedIdentifier:
    """Return the best network of a run by its validation subjects, and their scores.

    `run` holds checkpoints and the log. An interrupted run continues from its last epoch.
    """
    network, backbone = start_network(data, configuration, weights)
    validation = ValidationSet(validation_protocols(data.validation), data.pictures, data.recipe)
    start = network.get_weights()
    learner, batches = _learner(network, data, configuration)
    finished = run / "finished"
    if not finished.is_file():
        _fit(learner, backbone, batches, BestByValidation(network, validation, run / "best.weights.h5"), run)
        finished.touch()
    network.load_weights(run / "best.weights.h5")
    _pull_towards(start, network, validation)
    cohort = embed_cohort(embedder(network), data, cohort_paths(data.training, configuration))
    tracks = score_validation(embedder(network), cohort, data, configuration, score)
    return FittedIdentifier(network, len(cohort), tracks)


def score_validation(
    embed: Embed, cohort: Cohort | None, data: Dataset, configuration: IdentifierConfiguration, score: TrackScorer
) -> list[TrackScores]:
    """Return the tracks of the validation subjects, unseen by the embedder and the cohort."""
    parts = [ValidationSet(validation_protocols(data.validation), data.pictures, data.recipe)]
    if visits := later_visits_of(data, configuration):
        parts.append(visits)
    return [track for part in parts for track in score(part, part.embeddings(embed), cohort)]


def _pull_towards(start: Sequence[NDArray[np.float32]], network: keras.Model, validation: ValidationSet) -> None:
    """Set the weights to the interpolation nearest to the start whose validation is as good as the best one's.

    Finetuning on few subjects of one site then costs less of the pretrained features (WiSE-FT: Wortsman et al., CVPR
    2022).
    """
    end = network.get_weights()
    scores = {}
    for share in INTERPOLATIONS:
        network.set_weights([(1 - share) * a + share * b for a, b in zip(start, end, strict=True)])
        scored = validation.scored(validation.embeddings(embedder(network)))
        scores[share] = float(np.mean([track.score.mean_average_precision for track in scored]))
    share = min(share for share in INTERPOLATIONS if scores[share] >= max(scores.values()) - TOLERANCE)
    network.set_weights([(1 - share) * a + share * b for a, b in zip(start, end, strict=True)])
    print(f"kept {share:.0%} of the training: " + ", ".join(f"{s:.0%} {v:.3f}" for s, v in scores.items()))  # noqa: T201


def _learner(
    network: keras.Model, data: Dataset, configuration: IdentifierConfiguration
) -> tuple[IdentityLearner, IdentityBatches]:
    """Return the model to fit and its batches.

    Class directions start as the mean embedding of each subject's images, so that the first steps do not spoil the
    backbone.
    """
    settings = configuration.finetune or FinetuneSettings()
    preprocess = at_size(data.recipe, configuration.size)
    batches = IdentityBatches(
        data.training,
        data.pictures,
        preprocess,
        configuration.augmentation,
        view=NETWORK_SIZE,
        identities=settings.identities,
        images_per_identity=settings.images_per_identity,
        steps=settings.steps,
        seed=configuration.seed,
    )
    learner = IdentityLearner(network, len(batches.subjects), settings)
    index = {subject: i for i, subject in enumerate(batches.subjects)}
    means = np.zeros((len(index), EMBEDDING_DIMENSION), np.float32)
    embeddings = in_batches(network, (data.pictures[row.path] for row in data.training), preprocess)
    np.add.at(means, [index[row.subject] for row in data.training], embeddings)
    learner.head.directions.assign(means)
    return learner, batches


def optimiser(settings: FinetuneSettings, slow: keras.Model) -> TwoSpeedAdamW:
    """Return the optimiser. Its learning rate rises and falls once; `slow` layers get a fraction of it."""
    steps = settings.steps * settings.epochs
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        round((1 - WARM_UP) * steps),
        warmup_target=settings.learning_rate,
        warmup_steps=round(WARM_UP * steps),
        alpha=0.01,
    )
    return TwoSpeedAdamW(schedule, slow, settings.backbone_learning_rate_factor, weight_decay=1e-4, clipnorm=5.0)


def _fit(
    learner: IdentityLearner, backbone: keras.Model, batches: IdentityBatches, best: BestByValidation, run: Path
) -> None:
    learner.compile(optimizer=optimiser(learner.settings, backbone))
    learner.fit(
        batches,
        epochs=learner.settings.epochs,
        verbose=2,
        callbacks=[
            best,
            keras.callbacks.EarlyStopping("val_map", mode="max", patience=learner.settings.patience),
            keras.callbacks.CSVLogger(run / LOG_FILE, append=True),
            keras.callbacks.BackupAndRestore(run / "backup", delete_checkpoint=False),
        ],
    )
