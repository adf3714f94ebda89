"""The same network on both runtimes. TensorFlow is imported by the fixture, not while tests are collected."""

from pathlib import Path

import numpy as np
import pytest

from shared.models.folder import MODEL_FILE, file_digest, golden_image
from shared.models.sessions import open_session

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras, of TensorFlow's arrays

AGREEMENT = 1e-3
"""Weights are float16 in the exported file."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of Keras, saved and exported as the training does it."""
    import keras  # noqa: PLC0415

    from training.export import export_litert  # noqa: PLC0415
    from training.networks import PixelsToFloat  # noqa: PLC0415

    keras.utils.set_random_seed(0)
    pixels = keras.Input((224, 224, 3), dtype="uint8")
    tiles = keras.layers.AveragePooling2D(28)(PixelsToFloat()(pixels))
    rows = keras.layers.Dense(16)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(tiles)))
    network = keras.Model(pixels, keras.layers.UnitNormalization()(rows))
    folder = tmp_path_factory.mktemp("model")
    network.save(folder / "model.keras")
    export_litert(network, folder)
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


@pytest.fixture(scope="module")
def float_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that takes float32 pixels, from 0 to 255."""
    import keras  # noqa: PLC0415

    from training.export import export_litert  # noqa: PLC0415

    pixels = keras.Input((224, 224, 3), dtype="float32")
    folder = tmp_path_factory.mktemp("float")
    export_litert(keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels)), folder)
    return folder


def test_a_network_may_take_its_pixels_as_float(float_folder: Path) -> None:
    image = golden_image()
    np.testing.assert_allclose(open_session(float_folder).run(image)[0], image.mean(axis=(0, 1, 2)), rtol=1e-4)


def test_a_network_of_another_size_is_refused(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415

    from training.export import export_litert  # noqa: PLC0415

    pixels = keras.Input((96, 96, 3), dtype="uint8")
    export_litert(keras.Model(pixels, keras.layers.Rescaling(1 / 255)(pixels)), tmp_path)
    with pytest.raises(ValueError, match=r"model\.tflite takes uint8 \[ 1 96 96  3\], not \(1, 224, 224, 3\)"):
        open_session(tmp_path)
