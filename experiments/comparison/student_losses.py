"""Losses of the candidates: softmax with a linear head, and differences of a teacher's embeddings.

Cosine softmax and the triplet loss are those of `training.engine.losses`.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from experiments.comparison.candidates import Loss
from training.engine.embedding import SOFTNESS
from training.engine.losses import CosineSoftmax, batch_hard_triplet


class LinearSoftmax(keras.layers.Layer):
    """Softmax over identities as in prior work: a dense layer on embeddings and cross-entropy."""

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create one weight vector and one bias per class."""
        self.directions = self.add_weight(
            shape=(self.classes, input_shape[-1]), initializer="glorot_uniform", name="directions"
        )
        self.bias = self.add_weight(shape=(self.classes,), initializer="zeros", name="bias")

    def call(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the mean loss of embeddings, float (n, d), with labels, int (n,)."""
        logits = ops.matmul(embeddings, ops.transpose(self.directions)) + self.bias
        return ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))


class IdentityLoss(keras.layers.Layer):
    """One of the compared losses, on embeddings that are not normalised."""

    def __init__(self, kind: Loss, classes: int, dimension: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.linear = LinearSoftmax(classes) if kind == "softmax" else None
        self.cosine = CosineSoftmax(classes) if kind.startswith("cosine") else None
        self.triplet = kind.endswith("triplet")
        for head in (self.linear, self.cosine):
            if head is not None:
                head.build((None, dimension))
        self.built = True

    def start(self, embeddings: NDArray[np.float32], labels: NDArray[np.int32]) -> None:
        """Start class directions as mean embeddings, float (n, d), not normalised, with labels, int (n,).

        A linear head is scaled so that its logits start in the range of those of the cosine softmax.
        """
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        head = self.cosine if self.linear is None else self.linear
        if head is None:
            return
        means = np.zeros((head.classes, embeddings.shape[1]), np.float32)
        np.add.at(means, labels, embeddings / lengths)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        scale = 1.0 if self.cosine is not None else CosineSoftmax(1).scale / float(lengths.mean())
        head.directions.assign(scale * means)

    def call(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of embeddings, float (n, d), with labels, int (n,)."""
        unit = ops.normalize(embeddings, axis=-1)
        loss = self.linear(embeddings, labels) if self.linear is not None else 0.0
        if self.cosine is not None:
            loss += self.cosine(unit, labels)
        if self.triplet:
            loss += batch_hard_triplet(unit, labels, SOFTNESS)
        return loss


class DifferenceLoss(keras.layers.Layer):
    """Match the differences between pictures of a batch with those of a teacher.

    MaMI (Tian et al., CVPR 2025, arXiv:2503.08173) aligns *differential* features with those of larger networks. Here:
    1 - cosine between the differences of every pair of pictures, the student's behind a learned linear map.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the map, initially the identity."""
        self.map = self.add_weight(
            shape=(input_shape[-1], input_shape[-1]), initializer=keras.initializers.Identity(), name="map"
        )

    def call(self, student: keras.KerasTensor, teacher: keras.KerasTensor) -> keras.KerasTensor:
        """Return the mean over all pairs of embeddings, float (n, d) each.

        Products of differences come from products of pictures: (a - b)(c - d) = ac - ad - bc + bd.
        """
        mapped = ops.matmul(student, self.map)
        both = _products(mapped, teacher)
        lengths = ops.sqrt(ops.maximum(_products(mapped, mapped) * _products(teacher, teacher), 1e-12))
        pairs = 1.0 - ops.eye(ops.shape(student)[0])
        return ops.sum(pairs * (1.0 - both / lengths)) / ops.sum(pairs)


def _products(left: keras.KerasTensor, right: keras.KerasTensor) -> keras.KerasTensor:
    """Return the products of the differences of every pair, float (n, n), from float (n, d) each."""
    gram = ops.matmul(left, ops.transpose(right))
    diagonal = ops.diagonal(gram)
    return diagonal[:, None] + diagonal[None, :] - gram - ops.transpose(gram)
