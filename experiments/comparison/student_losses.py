"""What shapes the embedding, in its variants: softmax with a linear head, and differences that a teacher sees.

With `keras.ops` only. Cosine softmax and the triplet loss are those of training (`training.engine.losses`).
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
    """Softmax over identities as in prior work: a dense layer on embeddings of any length, cross-entropy."""

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
        """Mean loss of float (n, d) embeddings against int (n,) labels."""
        logits = ops.matmul(embeddings, ops.transpose(self.directions)) + self.bias
        return ops.mean(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))


class IdentityLoss(keras.layers.Layer):
    """One of the losses that are compared, on embeddings that have not been normalised."""

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
        """Let class directions begin as mean embeddings: float (n, d), not normalised, int (n,), every class in them.

        A linear head is scaled so that its logits begin where those of the cosine softmax do.
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
        """The loss of float (n, d) embeddings against int (n,) labels."""
        unit = ops.normalize(embeddings, axis=-1)
        loss = self.linear(embeddings, labels) if self.linear is not None else 0.0
        if self.cosine is not None:
            loss += self.cosine(unit, labels)
        if self.triplet:
            loss += batch_hard_triplet(unit, labels, SOFTNESS)
        return loss


class DifferenceLoss(keras.layers.Layer):
    """Differences between the pictures of a batch, as the student sees them, against those that a teacher sees.

    MaMI (Tian et al., CVPR 2025, arXiv:2503.08173) aligns *differential* features with those of larger networks. Here:
    1 - cosine between the differences of every pair of pictures, the student's behind a learned linear map.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the map, at first the identity."""
        self.map = self.add_weight(
            shape=(input_shape[-1], input_shape[-1]), initializer=keras.initializers.Identity(), name="map"
        )

    def call(self, student: keras.KerasTensor, teacher: keras.KerasTensor) -> keras.KerasTensor:
        """Mean over the pairs of float (n, d) and float (n, d).

        Products of differences come from those of the pictures: (a - b)(c - d) = ac - ad - bc + bd.
        """
        mapped = ops.matmul(student, self.map)
        both = _products(mapped, teacher)
        lengths = ops.sqrt(ops.maximum(_products(mapped, mapped) * _products(teacher, teacher), 1e-12))
        pairs = 1.0 - ops.eye(ops.shape(student)[0])
        return ops.sum(pairs * (1.0 - both / lengths)) / ops.sum(pairs)


def _products(left: keras.KerasTensor, right: keras.KerasTensor) -> keras.KerasTensor:
    """Float (n, n): the products of the differences of every pair, from float (n, d) and float (n, d)."""
    gram = ops.matmul(left, ops.transpose(right))
    diagonal = ops.diagonal(gram)
    return diagonal[:, None] + diagonal[None, :] - gram - ops.transpose(gram)
