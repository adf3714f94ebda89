"""Contrastive refinement of a linear head: pairs of images of one patient against those of all others.

The discriminant uses second moments only and does not know which patients are confused. From there, gradient steps on
InfoNCE (van den Oord et al., 2018, arXiv:1807.03748), in both directions as in CLIP (Radford et al., ICML 2021), reduce
these confusions. Few steps, and noise on the whitened features (a penalty on the weights: Bishop, Neural Computation
1995), prevent overfitting to the training patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.engine.losses import symmetric_contrast

PATIENTS = 512
"""Largest number of patients in a batch."""
NOISE = 0.2
"""Standard deviation of the noise; the strongest whitened direction has 1."""
TEMPERATURE = 0.07
"""Initial temperature; it is learned."""

Array = NDArray[np.float64]


class Pairs(keras.utils.PyDataset):
    """Batches of two images of each patient who has two: float32 (n, 2, k), every patient once in a batch.

    `values` is float (m, k), `labels` int (m,) the patients, `pictures` (m,) the paths of the images. Rows of one path
    (an image and its copy) are never paired.
    """

    def __init__(self, values: Array, labels: NDArray[np.intp], pictures: Sequence[str], steps: int, seed: int) -> None:
        super().__init__()
        self._values, self._steps, self._seed = values.astype(np.float32), steps, seed
        shown: dict[int, dict[str, list[int]]] = {}
        for row, (label, picture) in enumerate(zip(labels.tolist(), pictures, strict=True)):
            shown.setdefault(label, {}).setdefault(picture, []).append(row)
        self._patients = [list(rows.values()) for rows in shown.values() if len(rows) > 1]

    def __len__(self) -> int:
        """Return the number of steps: 0 if fewer than two patients have two images."""
        return self._steps if len(self._patients) > 1 else 0

    def length(self, head: Array) -> float:
        """Return the mean length of embeddings before normalisation."""
        return float(np.linalg.norm(self._values @ head, axis=1).mean())

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the pairs of one step, and unused targets."""
        rng = np.random.default_rng((self._seed, index))
        drawn = rng.permutation(len(self._patients))[:PATIENTS]
        rows = [[rng.choice(self._patients[i][j]) for j in _two(len(self._patients[i]), rng)] for i in drawn]
        return self._values[rows], np.zeros(len(rows), np.float32)


class PairLearner(keras.Model):
    """A linear head and the temperature of its cosines, trained on pairs."""

    def __init__(self, head: Array, seed: int) -> None:
        super().__init__(name="pair_learner")
        self.noise = keras.layers.GaussianNoise(NOISE, seed=seed)
        self.head = keras.layers.Dense(head.shape[1], name="head")
        self.head.build((None, len(head)))
        self.head.set_weights([head, np.zeros(head.shape[1])])
        start = keras.initializers.Constant(-np.log(TEMPERATURE))
        self.log_scale = self.add_weight(shape=(), initializer=start, name="sharpness")
        self.built = True

    def call(self, pairs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:  # noqa: FBT001, FBT002
        """Float (n, 2, k) -> float (n, 2, units), L2-normalised."""
        return ops.normalize(self.head(self.noise(pairs, training=training)), axis=-1)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,  # noqa: FBT001, FBT002
    ) -> Any:
        """InfoNCE of the pairs."""
        del x, y, sample_weight, training
        return symmetric_contrast(y_pred[:, 0], y_pred[:, 1], ops.exp(self.log_scale))


def refine_by_pairs(head: Array, pairs: Pairs, learning_rate: float, seed: int) -> tuple[Array, Array]:
    """Return the head, float (k, units), after the steps of `pairs`, and its bias (units,).

    `learning_rate` applies to the head after scaling its embeddings to a mean length of 1.
    """
    if not len(pairs):
        return head, np.zeros(head.shape[1])
    learner = PairLearner(head / pairs.length(head), seed)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, len(pairs))
    learner.compile(optimizer=keras.optimizers.Adam(schedule))
    learner.fit(pairs, epochs=1, shuffle=False, verbose=2)
    kernel, bias = learner.head.get_weights()
    return kernel.astype(np.float64), bias.astype(np.float64)


def _two(count: int, rng: np.random.Generator) -> list[int]:
    """Draw two different numbers below `count`."""
    first, step = int(rng.integers(count)), int(rng.integers(1, count))
    return [first, (first + step) % count]
