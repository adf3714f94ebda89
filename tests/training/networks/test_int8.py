"""Networks in int8 and in float16, with small backbones of random weights."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from shared.models.litert_session import LiteRTSession
from shared.models.manifest import MODEL_FILE
from shared.models.protocols import NetworkInput
from training.networks.backbones import build_backbone, build_depths
from training.networks.int8 import Int8Backbone, Int8Parts, convert_litert
from training.networks.layers import PixelsToFloat, multiscale_features

pytestmark = pytest.mark.usefixtures("_tiny")


@pytest.fixture(scope="module")
def images() -> list[NetworkInput]:
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 256, (12, 7, 7, 3), dtype=np.uint8)
    return [np.kron(tile, np.ones((32, 32, 1), np.uint8)) for tile in tiles]


@pytest.fixture(scope="module")
def depths(_tiny: None) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_depths("tiny", 224, None)


def session(content: bytes, folder: Path) -> LiteRTSession:
    (folder / MODEL_FILE).write_bytes(content)
    return LiteRTSession(folder)


def test_int8_features_are_nearly_those_in_float(depths: keras.Model, images: list[NetworkInput]) -> None:
    pictures = np.stack(images).astype(np.float32)
    exact = np.asarray(depths.predict_on_batch(pictures))
    rounded = Int8Backbone(depths, Int8Parts(["tiny"], images)).predict_on_batch(pictures)
    assert exact.shape == rounded.shape
    assert 0 < np.abs(exact - rounded).max() < 0.1 * exact.max()


def test_an_int8_network_answers_as_head_and_int8_backbone(
    depths: keras.Model, images: list[NetworkInput], tmp_path: Path
) -> None:
    """The head is fitted to the int8 backbone's features, and the whole network is exported with the same parts."""
    int8 = Int8Parts(["tiny"], images)
    inputs = keras.Input((224, 224, 3), dtype="uint8")
    head = keras.Sequential([keras.Input(depths.output_shape[1:]), keras.layers.Dense(4)])
    network = keras.Model(inputs, head(depths(PixelsToFloat()(inputs))))
    answers = session(convert_litert(network, float16=True, int8=int8), tmp_path).run(np.stack(images))
    expected = head.predict_on_batch(Int8Backbone(depths, int8).predict_on_batch(np.stack(images)))
    np.testing.assert_allclose(answers, expected, atol=5e-3 * np.abs(expected).max())


def test_a_negative_has_the_features_of_its_image_in_int8_too(images: list[NetworkInput]) -> None:
    backbone = multiscale_features(build_backbone("tiny", 224, None), ("narrow",))
    extractor = Int8Backbone(backbone, Int8Parts(["tiny"], images))
    warm = images[0].copy()
    warm[..., 0], warm[..., 2] = 200, 20
    picture, negative = extractor.predict_on_batch(np.stack([warm, 255 - warm]))
    np.testing.assert_allclose(picture, negative, atol=1e-4)


def test_int8_takes_a_quarter_of_the_weights(images: list[NetworkInput]) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((224, 224, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(512, 3, strides=32)(keras.layers.Conv2D(64, 3, strides=4)(x))
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    assert len(convert_litert(network, int8=Int8Parts(["conv"], images))) < 0.3 * len(convert_litert(network))


def test_float_weights_beside_int8_are_halved(images: list[NetworkInput], tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((224, 224, 3), dtype="uint8")
    x = keras.layers.Conv2D(8, 3, strides=16, name="conv_a")(keras.layers.Rescaling(1 / 255)(inputs))
    network = keras.Model(inputs, keras.layers.Dense(64)(keras.layers.Flatten()(x)))
    int8 = Int8Parts(["conv_a"], images)
    wide, half = (convert_litert(network, float16=float16, int8=int8) for float16 in (False, True))
    assert len(half) < 0.6 * len(wide)
    answers = [session(content, tmp_path).run(images[0][np.newaxis]) for content in (wide, half)]
    np.testing.assert_allclose(answers[0], answers[1], atol=5e-3)
    assert np.abs(answers[0]).max() > 0.1


def test_parts_of_a_backbone_can_stay_float(images: list[NetworkInput]) -> None:
    keras.utils.set_random_seed(1)
    parts = [
        keras.Sequential([keras.layers.Conv2D(8, 3, name=f"conv_{name}"), keras.layers.ReLU(6.0)]) for name in "ab"
    ]
    inputs = keras.Input((224, 224, 3))
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    averages = [keras.layers.GlobalAveragePooling2D()(part(scaled)) for part in parts]
    backbone = keras.Model(inputs, keras.layers.Concatenate()(averages))
    pictures = np.stack(images).astype(np.float32)
    exact = np.asarray(backbone.predict_on_batch(pictures))
    rounded = Int8Backbone(backbone, Int8Parts(["conv_b"], images)).predict_on_batch(pictures)
    apart = np.abs(rounded - exact).max(axis=0)
    assert apart[:8].max() < 1e-4
    assert apart[8:].max() > 1e-3


def test_a_part_that_does_not_exist_is_named(depths: keras.Model, images: list[NetworkInput]) -> None:
    with pytest.raises(ValueError, match="int8_layers names no part of the network: smaal"):
        Int8Backbone(depths, Int8Parts(["smaal"], images))
