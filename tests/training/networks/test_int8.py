"""Trunks in int8, with MobileNetV2 of random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from shared.models.litert_session import LiteRTSession
from shared.models.manifest import MODEL_FILE
from shared.models.protocols import NetworkInput
from training.data.dataset import Data
from training.engine.configuration import IdentifierConfiguration
from training.engine.discriminant_folds import Fitted, fit_discriminant
from training.engine.initialisation import build_network
from training.engine.validation import ValidationSet
from training.export.litert import Integers, at_network_size, converted, export_litert
from training.networks import backbones
from training.networks.backbones import build_trunk
from training.networks.int8 import IntegerTrunk, ranging_pictures
from training.networks.multiscale_features import tapped

INTEGERS = IdentifierConfiguration(
    kind="identifier", trunk="small", size=224, epochs=0, depths=True, int8=("small",), validation_share=0.2
)


def small_trunk(size: int | None, _weights: Path | None) -> keras.Model:
    """Three resolutions of few channels, whose activations are bounded."""
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    network = keras.Input((size, size, 3))
    y = network
    for filters in (4, 6, 8):
        y = keras.layers.Conv2D(filters, 3, strides=2, padding="same")(y)
        y = keras.layers.ReLU(6.0)(y)
    return keras.Model(inputs, keras.Model(network, y, name="small")(x))


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.TRUNKS, "small", small_trunk)
        yield


@pytest.fixture(scope="module")
def seen(data: Data) -> list[NetworkInput]:
    return ranging_pictures(data, 1)[:12]


@pytest.fixture(scope="module")
def fitted(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    keras.utils.set_random_seed(1)
    return fit_discriminant(
        data,
        INTEGERS,
        None,
        lambda part, embeddings, cohort: part.scored(embeddings, cohort),
        tmp_path_factory.mktemp("run"),
    )


def test_integers_say_nearly_what_floats_do(seen: list[NetworkInput]) -> None:
    _, trunk = build_network(INTEGERS, None, None)
    pictures = np.stack(seen).astype(np.float32)
    exact, rounded = (
        np.asarray(reader.predict_on_batch(pictures))
        for reader in (trunk, IntegerTrunk(trunk, Integers(["small"], seen)))
    )
    assert exact.shape == rounded.shape
    assert 0 < np.abs(exact - rounded).max() < 0.1 * exact.max()


def test_a_tapped_trunk_reads_negatives_as_their_pictures_in_integers_too(seen: list[NetworkInput]) -> None:
    reader = IntegerTrunk(
        tapped(build_trunk("mobilenet_v2", 32, None), ("block_3_expand_relu",)), Integers(["mobilenet"], seen)
    )
    warm = seen[0].copy()
    warm[..., 0], warm[..., 2] = 200, 20
    picture, negative = reader.predict_on_batch(np.stack([warm, 255 - warm]))
    np.testing.assert_allclose(picture, negative, atol=1e-4)


def test_convolutions_take_a_quarter_of_the_weights(seen: list[NetworkInput]) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((224, 224, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(512, 3, strides=32)(keras.layers.Conv2D(64, 3, strides=4)(x))
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    assert len(converted(network, integers=Integers(["conv"], seen))) < 0.3 * len(converted(network))


def test_float_weights_beside_integers_are_halved(seen: list[NetworkInput]) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((224, 224, 3), dtype="uint8")
    x = keras.layers.Conv2D(8, 3, strides=16, name="conv_a")(keras.layers.Rescaling(1 / 255)(inputs))
    network = keras.Model(inputs, keras.layers.Dense(64)(keras.layers.Flatten()(x)))
    integers = Integers(["conv_a"], seen)
    wide, half = (converted(network, float16=float16, integers=integers) for float16 in (False, True))
    assert len(half) < 0.6 * len(wide)
    answers = [_answers(content, seen[0]) for content in (wide, half)]
    np.testing.assert_allclose(answers[0], answers[1], atol=5e-3)
    assert np.abs(answers[0]).max() > 0.1


def _answers(content: bytes, picture: NetworkInput) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / MODEL_FILE).write_bytes(content)
        return LiteRTSession(Path(folder)).run(picture[np.newaxis])


def test_parts_of_a_trunk_can_stay_float(seen: list[NetworkInput]) -> None:
    keras.utils.set_random_seed(1)
    parts = [
        keras.Sequential([keras.layers.Conv2D(8, 3, name=f"conv_{name}"), keras.layers.ReLU(6.0)]) for name in "ab"
    ]
    inputs = keras.Input((224, 224, 3))
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0)(inputs)
    averages = [keras.layers.GlobalAveragePooling2D()(part(scaled)) for part in parts]
    trunk = keras.Model(inputs, keras.layers.Concatenate()(averages))
    pictures = np.stack(seen).astype(np.float32)
    exact = np.asarray(trunk.predict_on_batch(pictures))
    apart = np.abs(IntegerTrunk(trunk, Integers(["conv_b"], seen)).predict_on_batch(pictures) - exact).max(axis=0)
    assert apart[:8].max() < 1e-5
    assert apart[8:].max() > 1e-4


def test_what_is_exported_answers_as_it_was_judged(fitted: Fitted, seen: list[NetworkInput], tmp_path: Path) -> None:
    rebuilt, _ = build_network(INTEGERS, 224, None)
    export_litert(at_network_size(fitted.network, rebuilt), tmp_path, float16=True, integers=fitted.integers)
    pictures = np.stack(seen)
    answers = LiteRTSession(tmp_path).run(pictures)
    cosines = (answers * fitted.embed(pictures.astype(np.float32))).sum(axis=1)
    assert cosines.min() > 0.9999
    assert (tmp_path / MODEL_FILE).is_file()


def test_judged_are_the_embeddings_of_the_integer_trunk(data: Data, fitted: Fitted) -> None:
    part = ValidationSet(data.rows, data.pictures, data.recipe)
    own = part.scored(part.embeddings(fitted.embed))
    assert [track.score.rank1 for track in own] == [1.0] * len(own)  # fitted to these very people


def test_a_part_that_is_not_there_is_named(seen: list[NetworkInput]) -> None:
    _, trunk = build_network(INTEGERS, None, None)
    with pytest.raises(ValueError, match="int8 names no part of the network: smaal"):
        IntegerTrunk(trunk, Integers(["smaal"], seen))


def test_a_trunk_that_is_trained_cannot_be_in_integers() -> None:
    with pytest.raises(ValueError, match="int8 needs a trunk that stays as it is"):
        IdentifierConfiguration.model_validate({**INTEGERS.model_dump(), "epochs": 3})


def test_ranges_come_from_pictures_that_are_learned_from(data: Data) -> None:
    pictures = ranging_pictures(data, 1)
    known = [data.recipe(data.pictures[row.path]).tobytes() for row in data.fitting]
    assert {picture.tobytes() for picture in pictures} <= set(known)
    assert [p.tobytes() for p in pictures] == [p.tobytes() for p in ranging_pictures(data, 1)]
