"""Losses of embeddings: cosine softmax over identities, triplets of a batch, pairs.

They use `keras.ops` only, so they run on every backend of Keras 3.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class CosineSoftmax(keras.layers.Layer):
    """Additive-angular-margin softmax (ArcFace, Deng et al., CVPR 2019) over the training patients.

    The class weights are unit directions. They are not exported: in service, templates of the gallery replace them.
    """

    def __init__(self, classes: int, scale: float = 24.0, margin: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes, self.scale, self.margin = classes, scale, margin

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create one direction per class."""
        self.directions = self.add_weight(
            shape=(self.classes, input_shape[-1]), initializer="random_normal", name="directions"
        )

    def call(self, embeddings: keras.KerasTensor, labels: keras.KerasTensor) -> keras.KerasTensor:
        """Return the mean loss of float (n, d) normalised embeddings and int (n,) labels."""
        cosine = ops.matmul(embeddings, ops.transpose(ops.normalize(self.directions, axis=-1)))
        target = ops.one_hot(labels, self.classes, dtype=cosine.dtype)
        angle = ops.arccos(ops.clip(cosine, -1.0 + 1e-6, 1.0 - 1e-6))
        logits = self.scale * ops.where(target > 0, ops.cos(ops.minimum(angle + self.margin, 3.14159)), cosine)
        return ops.mean(ops.categorical_crossentropy(target, logits, from_logits=True))


def symmetric_contrast(
    first: keras.KerasTensor, second: keras.KerasTensor, scale: keras.KerasTensor
) -> keras.KerasTensor:
    """Return InfoNCE in both directions (Radford et al., ICML 2021): row i of one matches row i of the other.

    Both are float (n, d), L2-normalised; `scale` is the inverse temperature of their cosines.
    """
    logits = scale * ops.matmul(first, ops.transpose(second))
    own = ops.arange(ops.shape(logits)[0])
    losses = [
        ops.sparse_categorical_crossentropy(own, each, from_logits=True) for each in (logits, ops.transpose(logits))
    ]
    return ops.mean(losses[0] + losses[1])


def batch_hard_triplet(embeddings: keras.KerasTensor, labels: keras.KerasTensor, softness: float) -> keras.KerasTensor:
    """Return the soft-margin triplet loss of a batch's hardest pairs (Hermans et al., 2017, arXiv:1703.07737).

    `embeddings` is float (n, d), L2-normalised; `labels` int (n,), each at least twice in the batch. `softness` scales
    the cosine gap inside the softplus.
    """
    similarity = ops.matmul(embeddings, ops.transpose(embeddings))
    same = ops.equal(labels[:, None], labels[None, :])
    hardest_genuine = ops.min(ops.where(same, similarity, 2.0), axis=1)
    hardest_impostor = ops.max(ops.where(same, -2.0, similarity), axis=1)
    return ops.mean(ops.softplus(softness * (hardest_impostor - hardest_genuine)) / softness)
