"""The same networks on TensorFlow/Keras, behind the same Protocol: for parity tests and comparisons."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.models.manifest import file_digest
from shared.models.protocols import Pixels

KERAS_FILE = "model.keras"
LAYERS = "training.networks.layers"
"""Where the networks' own layers register themselves; named, not imported, because `shared` depends on nobody."""


class KerasSession:
    """Implements `shared.models.protocols.ModelSession` over `model.keras` (a run's folder holds one)."""

    def __init__(self, folder: Path) -> None:
        keras = importlib.import_module("keras")
        importlib.import_module(LAYERS)
        path = folder / KERAS_FILE
        self._digest = file_digest(path)
        self._network: Any = keras.models.load_model(path, compile=False)

    @property
    def digest(self) -> str:
        """Digest of the model file."""
        return self._digest

    @property
    def output_size(self) -> int:
        """Length of one output row."""
        return int(self._network.output_shape[-1])

    def run(self, images: Pixels) -> NDArray[np.float32]:
        """All pictures as one batch."""
        return np.asarray(self._network.predict_on_batch(images), np.float32)

    def close(self) -> None:
        """Drop the network."""
        self._network = None
