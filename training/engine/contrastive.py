"""Contrastive refinement of a linear head: pairs of pictures of one patient against everybody else's.

The discriminant knows what pictures of a patient differ in and in which directions patients do, by second moments. Who
is confused with whom it does not know. From where it stands, gradient steps on InfoNCE (van den Oord et al., 2018,
arXiv:1807.03748), in both directions as CLIP has it (Radford et al., ICML 2021), look at just that. Few steps and noise
on the whitened numbers (which is a penalty on the weights: Bishop, Neural Computation 1995) keep it from learning the
training patients by heart.
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
"""Of a batch, at the most; each is told from all others in it."""
NOISE = 0.2
"""Deviation, where the strongest whitened direction has 1."""
TEMPERATURE = 0.07
"""Where the temperature starts; it is learned."""

Array = NDArray[np.float64]


class Pairs(keras.utils.PyDataset):
    """Batches of two pictures each of patients who have two: float32 (n, 2, k), every patient once in a batch.

    `values` is float (m, k), `labels` int (m,) the patients, and `pictures` (m,) what each row shows: rows of one
    picture, as a copy and a mirror image are, are never paired.
    """

    def __init__(self, values: Array, labels: NDArray[np.intp], pictures: Sequence[str], steps: int, seed: int) -> None:
        super().__init__()
        self._values, self._steps, self._seed = values.astype(np.float32), steps, seed
        shown: dict[int, dict[str, list[int]]] = {}
        for row, (label, picture) in enumerate(zip(labels.tolist(), pictures, strict=True)):
            shown.setdefault(label, {}).setdefault(picture, []).append(row)
        self._patients = [list(rows.values()) for rows in shown.values() if len(rows) > 1]

    def __len__(self) -> int:
        """Steps; none where nobody has two pictures."""
        return self._steps if len(self._patients) > 1 else 0

    def length(self, head: Array) -> float:
        """How long embeddings are on average before they are normalised."""
        return float(np.linalg.norm(self._values @ head, axis=1).mean())

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The pairs of one step, and nothing to be told."""
        rng = np.random.default_rng((self._seed, index))
        drawn = rng.permutation(len(self._patients))[:PATIENTS]
        rows = [[rng.choice(self._patients[i][j]) for j in _two(len(self._patients[i]), rng)] for i in drawn]
        return self._values[rows], np.zeros(len(rows), np.float32)


class PairLearner(keras.Model):
    """A linear head and the temperature of its cosines."""

    def __init__(self, head: Array, seed: int) -> None:
        super().__init__(name="pair_learner")
        self.noise = keras.layers.GaussianNoise(NOISE, seed=seed)
        self.head = keras.layers.Dense(head.shape[1], name="head")
        self.head.build((None, len(head)))
        self.head.set_weights([head, np.zeros(head.shape[1])])
        start = keras.initializers.Constant(-np.log(TEMPERATURE))
        self.sharpness = self.add_weight(shape=(), initializer=start, name="sharpness")
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
        return symmetric_contrast(y_pred[:, 0], y_pred[:, 1], ops.exp(self.sharpness))


def contrasted(head: Array, pairs: Pairs, learning_rate: float, seed: int) -> tuple[Array, Array]:
    """The head float (k, units) after the steps of `pairs`, and a bias (units,).

    `learning_rate` is for a head whose embeddings are about 1 long before they are normalised.
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
    """Two different numbers below `count`."""
    first, step = int(rng.integers(count)), int(rng.integers(1, count))
    return [first, (first + step) % count]
