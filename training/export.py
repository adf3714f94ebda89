"""From a Keras network to the model folder that ships: LiteRT file, manifest, card."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from shared.models.contracts import NETWORK_SIZE, Pixels
from shared.models.folder import MODEL_FILE, Golden, golden_image
from training.networks import PixelsToFloat


def at_network_size(network: keras.Model, rebuilt: keras.Model) -> keras.Model:
    """`rebuilt`, the same network for 224 x 224 pictures, with the weights of `network`; it takes uint8."""
    rebuilt.set_weights(network.get_weights())
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), dtype="uint8", name="images")
    return keras.Model(inputs, rebuilt(PixelsToFloat()(inputs)), name=network.name)


def export_litert(network: keras.Model, folder: Path, *, float16: bool, seen: Sequence[Pixels] = ()) -> Path:
    """Write `model.tflite`; `float16` halves the weights' size, the arithmetic stays float32.

    Where there are pictures in `seen`, uint8 (224, 224, 3) each, weights and arithmetic are int8: the range of every
    tensor is the one that these pictures have.
    """
    import tensorflow as tf  # noqa: PLC0415 - only the export needs TensorFlow itself

    with tempfile.TemporaryDirectory() as saved:
        archive = keras.export.ExportArchive()
        archive.track(network)
        signature = [tf.TensorSpec((1, NETWORK_SIZE, NETWORK_SIZE, 3), tf.uint8, name="images")]
        archive.add_endpoint("serve", lambda images: network(images, training=False), signature)
        archive.write_out(saved, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        if seen:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([picture[np.newaxis]] for picture in seen)
        converted = converter.convert()
    path = folder / MODEL_FILE
    temporary = path.with_suffix(".new")
    temporary.write_bytes(converted)
    temporary.replace(path)
    return path


def golden(network: keras.Model) -> Golden:
    """What the Keras network answers to the golden image; the exported one must agree."""
    output = np.asarray(network.predict_on_batch(golden_image()), np.float32)[0]
    return Golden(output=tuple(round(float(value), 6) for value in output))
