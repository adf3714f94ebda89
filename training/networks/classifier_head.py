"""COMPA's head: from the features of a frozen trunk to the probabilities of labels and sub-types."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import NDArray


def build_head(
    features: NDArray[np.float32], labels: int, subtypes: Mapping[str, int], *, dense: int = 256, dropout: float = 0.3
) -> keras.Model:
    """Float (n, d) -> `probabilities`, float (n, labels), and one output per modality that has sub-types.

    The features of the training pictures, `features`, say how each is scaled. A sub-type is told by a linear layer:
    the few that there are would be learned by heart by more.
    """
    inputs = keras.Input((features.shape[1],), name="features")
    mean, variance = features.mean(axis=0, dtype=np.float64), features.var(axis=0, dtype=np.float64)
    scaled = keras.layers.Normalization(mean=mean, variance=variance + 1e-4, name="scaled")(inputs)
    x = keras.layers.Dropout(dropout, name="dropout_features")(scaled)
    hidden = keras.layers.Dense(dense, activation="relu", name="dense")(x)
    hidden = keras.layers.Dropout(dropout, name="dropout_hidden")(hidden)
    outputs = {"probabilities": keras.layers.Dense(labels, activation="softmax", name="probabilities")(hidden)}
    for modality, count in subtypes.items():
        outputs[modality] = keras.layers.Dense(count, activation="softmax", name=modality)(x)
    return keras.Model(inputs, outputs, name="head")
