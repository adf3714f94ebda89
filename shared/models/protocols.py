"""What a model session is: the runtime behind one exported network, so that it can be swapped."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NETWORK_SIZE = 224
"""Height and width, in pixels, of every network's input."""

Pixels = NDArray[np.uint8]
"""uint8 (n, 224, 224, 3), RGB, 0-255. Scaling to the trunk's range happens inside the exported network."""


class ModelSession(Protocol):
    """A loaded network. Not safe for concurrent calls: the service's bounded queue gives each session one worker."""

    @property
    def digest(self) -> str:
        """`sha256:` and the hex digest of the model file."""

    @property
    def output_size(self) -> int:
        """Length of one output row."""

    def run(self, images: Pixels) -> NDArray[np.float32]:
        """float32 (n, output_size): probabilities (COMPA) or L2-normalised embeddings (identification)."""

    def close(self) -> None:
        """Free what the runtime holds."""
