"""The same network on both runtimes. TensorFlow is imported by the fixture, not while tests are collected."""

from pathlib import Path

import numpy as np
import pytest

from shared.models.manifest import MODEL_FILE, file_digest, golden_image
from shared.models.sessions import open_session

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras, of TensorFlow's arrays

AGREEMENT = 1e-3
"""Weights are float16 in the exported file."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of Keras, saved and exported as the training does it."""
    import keras  # noqa: PLC0415

    from training.export.litert import export_litert  # noqa: PLC0415
    from training.networks.layers import PixelsToFloat  # noqa: PLC0415

    keras.utils.set_random_seed(0)
    pixels = keras.Input((224, 224, 3), dtype="uint8")
    tiles = keras.layers.AveragePooling2D(28)(PixelsToFloat()(pixels))
    rows = keras.layers.Dense(16)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(tiles)))
    network = keras.Model(pixels, keras.layers.UnitNormalization()(rows))
    folder = tmp_path_factory.mktemp("model")
    network.save(folder / "model.keras")
    export_litert(network, folder, float16=True)
    return folder


def test_both_runtimes_give_the_same_answers(folder: Path) -> None:
    images = np.concatenate([golden_image(), golden_image()[:, ::-1], 255 - golden_image()])
    answers = [open_session(folder, runtime).run(images) for runtime in ("tensorflow", "litert")]
    np.testing.assert_allclose(answers[0], answers[1], atol=AGREEMENT)
    assert np.abs(answers[0][0] - answers[0][1]).max() > 10 * AGREEMENT


def test_both_know_their_model(folder: Path) -> None:
    session = open_session(folder, "tensorflow")
    assert session.output_size == open_session(folder, "litert").output_size == 16
    assert session.digest == file_digest(folder / "model.keras")
    assert session.digest != file_digest(folder / MODEL_FILE)
    session.close()


def convert(folder: Path, side: int, kind: str) -> None:
    """Write a LiteRT network that doubles pixels of this size and type, which no training of ours makes."""
    import tensorflow as tf  # noqa: PLC0415

    signature = [tf.TensorSpec((1, side, side, 3), kind)]
    double = tf.function(lambda images: 2.0 * tf.cast(images, tf.float32)[:, 0, 0], input_signature=signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    (folder / MODEL_FILE).write_bytes(converter.convert())


def test_a_network_may_take_its_pixels_as_float(tmp_path: Path) -> None:
    convert(tmp_path, 224, "float32")
    image = golden_image()
    np.testing.assert_array_equal(open_session(tmp_path).run(image), 2.0 * image[:, 0, 0])


@pytest.mark.parametrize(("side", "kind"), [(96, "uint8"), (224, "int32")])
def test_a_network_of_other_pixels_is_refused(tmp_path: Path, side: int, kind: str) -> None:
    convert(tmp_path, side, kind)
    said = rf"model\.tflite takes {kind} \(1, {side}, {side}, 3\), not uint8 or float32 \(1, 224, 224, 3\)"
    with pytest.raises(ValueError, match=said):
        open_session(tmp_path)
