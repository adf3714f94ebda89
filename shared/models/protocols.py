"""The model session: one loaded network behind an interface, so that tests can replace the runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NETWORK_SIZE = 224
"""Height and width, in pixels, of every network's input."""

NetworkInput = NDArray[np.uint8]
"""uint8 (n, 224, 224, 3), RGB, 0-255. The exported network itself scales pixels to the range of its backbone."""


class ModelSession(Protocol):
    """A loaded network. Not thread-safe: the inference queue gives each session to one thread at a time."""

    @property
    def digest(self) -> str:
        """`sha256:` and the hex digest of the model file."""

    @property
    def output_size(self) -> int:
        """Length of one output row."""

    def run(self, images: NetworkInput) -> NDArray[np.float32]:
        """Return float32 (n, output_size): probabilities (COMPA) or L2-normalised embeddings (identification)."""

    def close(self) -> None:
        """Free the memory of the runtime."""
