"""A head that starts as the whitening of the trunk's features, so that training starts where frozen features end."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray


def whiten_head(identifier: keras.Model, features: NDArray[np.float32], shrinkage: float = 0.1) -> None:
    """Set the two dense layers to PCA and to whitening with shrunk variances.

    `features` is float32 (n, c), the output of layer `unit_features` on training pictures. The first layer keeps the
    strongest directions; the second divides each by its standard deviation, shrunk towards that of the strongest
    (full whitening would blow up the noise of the weak ones; Jégou & Chum, ECCV 2012).
    """
    dense, embedding = identifier.get_layer("dense"), identifier.get_layer("embedding")
    mean = features.mean(axis=0)
    _, singular, directions = np.linalg.svd(features - mean, full_matrices=False)
    # without this the signs would hang on the last bit, and a run that is taken up again would start elsewhere
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, np.newaxis]
    kept = min(dense.units, len(singular))
    projection = np.zeros((features.shape[1], dense.units), np.float32)
    projection[:, :kept] = directions[:kept].T
    dense.set_weights([projection, -mean @ projection])
    variances = np.square(singular[: min(kept, embedding.units)]) / len(features)
    scales = 1.0 / np.sqrt(variances + shrinkage * variances[0])
    whitening = np.zeros((dense.units, embedding.units), np.float32)
    diagonal = np.arange(len(scales))
    whitening[diagonal, diagonal] = scales / scales.max()
    embedding.set_weights([whitening, np.zeros(embedding.units, np.float32)])
