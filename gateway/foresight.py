"""What COMPA will probably say, by a thumbnail: so that a service need not wait for it. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image

SIDE = 8
"""Pixels a side of a thumbnail."""
RATE = 0.1
"""Step of Adagrad."""
SURE = 0.8
"""Probability from which a modality is expected."""
LENGTH = 4.0
"""Of a thumbnail as a vector, whatever its contrast."""


class Foresight:
    """Logistic regression of modalities on thumbnails, learned from COMPA's own verdicts while serving.

    It starts with no idea and expects nothing until it is sure; of what has been seen only its weights are kept.
    Adagrad: Duchi, Hazan & Singer, JMLR 2011.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        shape = len(self._labels), 3 * SIDE * SIDE + 1
        self._weights, self._squares = np.zeros(shape, np.float32), np.full(shape, 1e-2, np.float32)

    def expect(self, view: Image) -> str | None:
        """The modality that COMPA will name for its uint8 (h, w, 3) view; None where that is not clear."""
        probabilities = self._probabilities(_features(view))
        likeliest = int(probabilities.argmax())
        return self._labels[likeliest] if probabilities[likeliest] >= SURE else None

    def learn(self, view: Image, label: str) -> None:
        """That COMPA has named `label`."""
        features = _features(view)
        error = self._probabilities(features) - (np.array(self._labels) == label)
        gradient = np.outer(error, features)
        self._squares += gradient**2
        self._weights -= RATE * gradient / np.sqrt(self._squares)

    def _probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = self._weights @ features
        likelihoods = np.exp(scores - scores.max())
        return np.asarray(likelihoods / likelihoods.sum())


def _features(view: Image) -> NDArray[np.float32]:
    """Float32 (193,): the thumbnail at one length, and a constant."""
    thumbnail = cv2.resize(view, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel() / np.float32(255) - np.float32(0.5)
    scale = LENGTH / max(float(np.linalg.norm(thumbnail)), 1e-6)
    return np.append(thumbnail * np.float32(scale), np.float32(1))
