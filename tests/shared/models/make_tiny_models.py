"""`python tests/shared/models/make_tiny_models.py`: write `tiny/identifier` and `tiny/classifier`, next to this file.

Two networks of a few kilobytes whose answers can be computed by hand, so that the services are tested on the runtime
that serves, without training anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from shared.models.golden import golden_image
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Calibration,
    Golden,
    ModelManifest,
    Rejection,
    file_digest,
)
from shared.models.protocols import NETWORK_SIZE

TINY = Path(__file__).parent / "tiny"
TILE = NETWORK_SIZE // 8
LABELS = ("ct", "mri", "fundus", "skin", "other")
COLOURS = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
"""The mean colour that each label stands for: black, blue, red, yellow, green."""


def identifier(images: Any) -> Any:
    """float32 (n, 256): the picture at 8 x 8, its red, green, blue and grey, less their mean, at unit length."""
    tiles = tf.nn.avg_pool2d(tf.cast(images, tf.float32), TILE, TILE, "VALID")
    tiles = tf.concat([tiles, tf.reduce_mean(tiles, axis=3, keepdims=True)], axis=3)
    rows = tf.reshape(tiles, (-1, 256))
    return tf.math.l2_normalize(rows - tf.reduce_mean(rows, axis=1, keepdims=True), axis=1)


def classifier(images: Any) -> Any:
    """float32 (n, 5): softmax over how near the mean colour is to that of each label."""
    colour = tf.reduce_mean(tf.cast(images, tf.float32), axis=(1, 2)) / 255.0
    distance = tf.reduce_sum(tf.square(colour[:, tf.newaxis] - COLOURS), axis=2)
    return tf.nn.softmax(-8.0 * distance, axis=1)


def write(network: Callable[[Any], Any], **particulars: Any) -> None:
    """The model folder of one network."""
    folder = TINY / network.__name__
    folder.mkdir(parents=True, exist_ok=True)
    signature = tf.TensorSpec((None, NETWORK_SIZE, NETWORK_SIZE, 3), tf.uint8)
    concrete = tf.function(network, input_signature=[signature]).get_concrete_function()
    (folder / MODEL_FILE).write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    answer = LiteRTSession(folder).run(golden_image())[0]
    manifest = ModelManifest(
        digest=file_digest(folder / MODEL_FILE),
        output_size=len(answer),
        trunk="none",
        golden=Golden(output=tuple(answer.astype(float).round(6).tolist())),
        training={},
        **particulars,
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(
        identifier,
        kind="identifier",
        name="ct",
        calibration=Calibration(scale=40.0, offset=-20.0),
    )
    write(
        classifier,
        kind="classifier",
        name="compa",
        labels=LABELS,
        rejection=Rejection(temperature=2.0, threshold=0.5),
    )
