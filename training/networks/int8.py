"""A trunk that stays as it is, in int8 or partly: half the time, a quarter of the weights.

Rounding every map to 256 steps changes what a trunk says by half of what pictures differ in, and a discriminant
magnifies that: exported afterwards, such a network loses its patients. So the head is fitted to what the integer trunk
says. Rounding then is one more thing in which pictures of a patient differ, and is levelled with the rest.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from shared.images.views import network_view
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import MODEL_FILE
from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.data.dataset import Data
from training.export.litert import Integers, converted
from training.networks.layers import PixelsToFloat

SEEN = 300
"""Pictures that the ranges of the maps are taken from."""


class IntegerTrunk:
    """Reads pictures as the exported network will; in place of a trunk of float (n, 224, 224, 3), RGB 0-255."""

    def __init__(self, trunk: keras.Model, integers: Integers) -> None:
        """Exported with the same `integers`, a head behind the trunk sees the same."""
        inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), dtype="uint8", name="images")
        content = converted(keras.Model(inputs, trunk(PixelsToFloat()(inputs)), name=trunk.name), integers=integers)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / MODEL_FILE).write_bytes(content)
            self._session = LiteRTSession(Path(folder))

    def predict_on_batch(self, images: NDArray[np.floating] | NetworkInput) -> NDArray[np.float32]:
        """Float (n, 224, 224, 3) of whole numbers, or uint8 -> float32 (n, d)."""
        return self._session.run(np.asarray(images, np.uint8))


def ranging_pictures(data: Data, seed: int) -> list[NetworkInput]:
    """At most `SEEN` training pictures as the network sees them, by chance and always the same."""
    paths = np.random.default_rng(seed).permutation(sorted({row.path for row in data.fitting}))[:SEEN]
    return [network_view(data.recipe(data.pictures[path])[np.newaxis])[0] for path in paths.tolist()]
