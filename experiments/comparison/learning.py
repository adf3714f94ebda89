"""Train a candidate and score the validation tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from experiments.comparison.candidates import TEACHER, Candidate
from experiments.comparison.material import Budget, Material
from experiments.comparison.student_losses import DifferenceLoss, IdentityLoss
from experiments.comparison.students import Student, build_head, build_student, embeddings, predicted
from shared.contracts.internal import EMBEDDING_DIMENSION
from training.engine.embedding import WARM_UP
from training.engine.initialisation import whiten_head
from training.engine.optimiser import TwoSpeedAdamW
from training.engine.validation import Embeddings, TrackScores

TEACHING = 1.0
"""Weight of the loss on the teacher's differences."""


class Learner(keras.Model):
    """A student with a loss per modality. A batch holds the batches of all modalities, one after the other."""

    def __init__(
        self, network: keras.Model, identity_losses: Sequence[IdentityLoss], pictures: Sequence[int], *, taught: bool
    ) -> None:
        super().__init__(name="learner")
        self.network, self.identity_losses = network, list(identity_losses)
        self.difference = DifferenceLoss() if taught else None
        if self.difference is not None:
            self.difference.build((None, EMBEDDING_DIMENSION))
        ends = np.cumsum(pictures).tolist()
        self.parts = [slice(end - count, end) for end, count in zip(ends, pictures, strict=True)]
        self.built = True

    def call(self, images: keras.KerasTensor, training: bool = False) -> list[keras.KerasTensor]:  # noqa: FBT001, FBT002
        """Map images, float (n, h, w, 3), to one embedding per modality, float (n, 256)."""
        outputs = self.network(images, training=training)
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """Return the sum over modalities. `y` has `labels`, and `teacher` embeddings if there is a teacher."""
        del x, sample_weight, training
        total = 0.0
        for part, shown, loss in zip(self.parts, y_pred, self.identity_losses, strict=True):
            total += loss(shown[part], y["labels"][part])
            if self.difference is not None:
                total += TEACHING * self.difference(ops.normalize(shown[part], axis=-1), y["teacher"][part])
        return total


class School:
    """Build and train candidates on the same material. Frozen features are computed once."""

    def __init__(self, materials: Sequence[Material], weights: Path | None, budget: Budget) -> None:
        self.materials, self._weights, self._budget = materials, weights, budget
        self._features: dict[str, dict[str, NDArray[np.float32]]] = {}

    def scored(self, candidate: Candidate) -> tuple[list[TrackScores], int]:
        """Return the scores of every validation track and the number of parameters."""
        groups = [self.materials] if candidate.together else [[material] for material in self.materials]
        scored, parameters = [], 0
        for materials in groups:
            student = self._student(candidate, materials)
            if candidate.trained:
                self._train(student, candidate, materials)
            parameters += student.parameters
            for i, material in enumerate(materials):
                scored += material.validation.scored(embeddings(student, i, material.validation.images))
        return scored, parameters

    def _student(self, candidate: Candidate, materials: Sequence[Material]) -> Student:
        keras.utils.set_random_seed(self._budget.seed)
        student = build_student(candidate, [material.name for material in materials], self._weights)
        if candidate.pretrained:
            features = self._frozen_features(candidate, student.trunk)
            own = [features[material.name] for material in materials]
            for head, shown in zip(student.heads, own, strict=True):
                whiten_head(head, np.concatenate(own) if candidate.one_head else shown)
        return student

    def _frozen_features(self, candidate: Candidate, trunk: keras.Model) -> Mapping[str, NDArray[np.float32]]:
        """Return the pooled features of the start pictures, by modality, before training: float32 (n, c)."""
        if candidate.trunk not in self._features:
            pooled = keras.Model(trunk.input, _pooling(build_head(trunk, "pooled"))(trunk.output))
            self._features[candidate.trunk] = {m.name: predicted(pooled, m.start)[0] for m in self.materials}
        return self._features[candidate.trunk]

    def _train(self, student: Student, candidate: Candidate, materials: Sequence[Material]) -> None:
        losses = [IdentityLoss(candidate.loss, m.classes, EMBEDDING_DIMENSION) for m in materials]
        if candidate.pretrained:
            features = self._frozen_features(candidate, student.trunk)
            for loss, head, material in zip(losses, student.heads, materials, strict=True):
                loss.start(_embedded(head, features[material.name]), material.start_labels)
        lessons = self._lessons() if candidate.taught else None
        pictures = [material.labels.shape[1] for material in materials]
        learner = Learner(student.network, losses, pictures, taught=candidate.taught)
        learner.compile(optimizer=self._optimiser(student.trunk, candidate), jit_compile=False)
        for i in range(self._budget.steps):
            images = np.concatenate([m.batches[i] for m in materials]).astype(np.float32)
            y = {"labels": np.concatenate([m.labels[i] for m in materials])}
            if lessons:
                y["teacher"] = np.concatenate([lessons[m.name][i] for m in materials])
            learner.train_on_batch(images, y)

    def _lessons(self) -> Mapping[str, Embeddings]:
        """Return the frozen teacher's embeddings of every batch, by modality: float32 (steps, pictures, 256)."""
        teacher = self._student(TEACHER, self.materials)
        lessons = {}
        for i, material in enumerate(self.materials):
            steps, pictures, *shape = material.batches.shape
            embedded = embeddings(teacher, i, material.batches.reshape(-1, *shape))
            lessons[material.name] = embedded.reshape(steps, pictures, -1)
        return lessons

    def _optimiser(self, trunk: keras.Model, candidate: Candidate) -> TwoSpeedAdamW:
        """Return the optimiser of training. A random backbone learns as fast as its head."""
        steps, budget = self._budget.steps, self._budget
        warm_up = round(WARM_UP * steps)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warm_up, warmup_target=budget.learning_rate, warmup_steps=warm_up, alpha=0.01
        )
        factor = budget.trunk_learning_rate_factor if candidate.pretrained else 1.0
        return TwoSpeedAdamW(schedule, trunk, factor, weight_decay=1e-4, clipnorm=5.0)


def _pooling(head: keras.Model) -> keras.Model:
    return keras.Model(head.input, head.get_layer("unit_features").output)


def _embedded(head: keras.Model, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embed pooled features, float32 (n, c): float32 (n, 256), not normalised."""
    return np.asarray(ops.convert_to_numpy(head.get_layer("embedding")(head.get_layer("dense")(features))))
