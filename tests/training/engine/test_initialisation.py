from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.images.recipes import build_recipe
from shared.images.views import square_view
from shared.modalities import RecipeSpec
from shared.models.protocols import NETWORK_SIZE
from training.data.augmentation import augment
from training.data.bundle_manifest import read_manifest
from training.data.dataset import Data
from training.data.images import load_pictures
from training.engine.configuration import IdentifierConfiguration
from training.engine.initialisation import (
    at_size,
    build_network,
    embedded,
    in_batches,
    set_discriminant,
    shown_features,
    start_network,
)
from training.export.litert import at_network_size
from training.networks import backbones

CONFIGURATION = IdentifierConfiguration(kind="identifier", trunk="tiny", size=64, epochs=0, depths=True)


def tiny_trunk(size: int | None, _: Path | None) -> keras.Model:
    """Two resolutions, with 6 and 8 channels, and a narrow map of 4."""
    inputs = keras.Input((size, size, 3))
    fine = keras.layers.ReLU()(keras.layers.Conv2D(6, 5, strides=8, padding="same")(inputs))
    narrow = keras.layers.Conv2D(4, 1, name="narrow")(fine)
    coarse = keras.layers.ReLU()(keras.layers.Conv2D(8, 3, strides=2, padding="same")(narrow))
    network = keras.Model(inputs, coarse, name="tiny")
    pixels = keras.Input((size, size, 3))
    return keras.Model(pixels, network(keras.layers.Rescaling(1 / 127.5, -1.0)(pixels)), name="tiny_scaled")


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.TRUNKS, "tiny", tiny_trunk)
        patch.setitem(backbones.BOTTLENECKS, "tiny", ("narrow",))
        yield


@pytest.fixture(scope="module")
def data(bundle: Path) -> Data:
    rows = [row for row in read_manifest(bundle) if row.subject < "s12"]
    return Data(rows, load_pictures(bundle, rows), build_recipe(RecipeSpec(size=224)), 0.3)


@pytest.fixture(scope="module")
def trunk() -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_network(CONFIGURATION, 64, None)[1]


def configured(**changes: float | bool) -> IdentifierConfiguration:
    return CONFIGURATION.model_copy(update=changes)


def views(data: Data, size: int) -> NDArray[np.float32]:
    """All pictures to learn from as a network of that size sees them."""
    seen = [square_view(data.recipe(data.pictures[row.path]), NETWORK_SIZE) for row in data.fitting]
    return np.stack([square_view(view, size) for view in seen]).astype(np.float32)


def test_without_epochs_there_have_to_be_depths() -> None:
    with pytest.raises(ValidationError, match="set depths = true"):
        IdentifierConfiguration(kind="identifier", trunk="tiny", epochs=0)
    assert IdentifierConfiguration(kind="identifier", trunk="tiny", epochs=1).depths is False


def test_every_picture_to_learn_from_is_shown_once(data: Data, trunk: keras.Model) -> None:
    shown = shown_features(trunk, data, CONFIGURATION)
    assert list(shown.rows) == data.fitting
    assert 0 < len(data.fitting) < len(data.rows)
    np.testing.assert_allclose(shown.features, trunk.predict_on_batch(views(data, 64)), atol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_copy_lies_between_the_picture_and_its_augmentation(data: Data, trunk: keras.Model, share: float) -> None:
    configuration = configured(copies=share)
    rng = np.random.default_rng(configuration.seed)
    changed = [augment(data.pictures[r.path], NETWORK_SIZE, configuration.augmentation, rng) for r in data.fitting]
    augmented = in_batches(trunk, changed, at_size(data.recipe, 64))
    shown, count = shown_features(trunk, data, configuration), len(data.fitting)
    assert list(shown.rows) == [*data.fitting, *data.fitting]
    original, copies = shown.features[:count], shown.features[count:]
    assert np.abs(augmented - original).max() > 0.01
    np.testing.assert_allclose(copies, (1 - share) * original + share * augmented, atol=1e-5)


def test_pictures_as_they_are_have_no_part_of_a_copy(data: Data, trunk: keras.Model) -> None:
    plain, copied = (shown_features(trunk, data, configured(copies=copies)) for copies in (0.0, 1.0))
    before, after = plain.as_they_are(), copied.as_they_are()
    assert set(before) == {row.path for row in data.fitting}
    assert set(after) == set(before)
    for path, features in before.items():
        np.testing.assert_array_equal(after[path], features)


def test_a_copy_shows_the_same_person_and_a_deformed_picture_another(data: Data, trunk: keras.Model) -> None:
    shown = shown_features(trunk, data, configured(copies=0.5, virtual=2))
    subjects = {row.subject for row in data.fitting}
    assert len(shown.labels) == 2 * 3 * len(data.fitting)
    assert set(shown.labels.tolist()) == set(range(3 * len(subjects)))
    people = {
        (row.subject, version, label)
        for row, version, label in zip(shown.rows, shown.versions.tolist(), shown.labels.tolist(), strict=True)
    }
    assert len(people) == 3 * len(subjects)


def test_a_mirror_image_is_another_picture_of_the_same_person(data: Data, trunk: keras.Model) -> None:
    shown = shown_features(trunk, data, configured(mirror_copies=True))
    half = len(data.fitting)
    assert len(shown.labels) == 2 * half
    np.testing.assert_array_equal(shown.labels[:half], shown.labels[half:])
    flipped = replace(data, pictures={path: np.ascontiguousarray(p[:, ::-1]) for path, p in data.pictures.items()})
    alone = shown_features(trunk, flipped, CONFIGURATION)
    np.testing.assert_array_equal(shown.features[half:], alone.features)


def test_a_refined_head_is_another_one_that_finds_the_same_people(data: Data) -> None:
    network, trunk = start_network(data, CONFIGURATION, None)
    plain = network.get_layer("embedding").get_weights()[0]
    shown = shown_features(trunk, data, CONFIGURATION)
    set_discriminant(network, trunk, shown, configured(contrastive_steps=20))
    refined = network.get_layer("embedding").get_weights()[0]
    assert np.abs(refined - plain).max() > 1e-3
    alike = embedded(network, shown.features)
    nearest = (alike @ alike.T - 2 * np.eye(len(alike))).argmax(axis=1)
    subjects = np.array([row.subject for row in data.fitting])
    assert np.mean(subjects[nearest] == subjects) > 0.9


def test_some_of_the_subjects_keep_all_of_their_features(data: Data, trunk: keras.Model) -> None:
    shown = shown_features(trunk, data, configured(copies=0.5, virtual=1))
    some = {row.subject for row in data.fitting[:4]}
    part = shown.of(some)
    kept = [i for i, row in enumerate(shown.rows) if row.subject in some]
    np.testing.assert_array_equal(part.features, shown.features[kept])
    np.testing.assert_array_equal(part.versions, shown.versions[kept])
    assert {row.subject for row in part.rows} == some
    assert set(part.labels.tolist()) == set(range(2 * len(some)))


def test_the_head_makes_of_features_what_the_network_makes_of_pictures(data: Data) -> None:
    network, trunk = start_network(data, configured(epochs=1, dropout=0.4), None)
    shown = shown_features(trunk, data, CONFIGURATION)
    embeddings = embedded(network, shown.features)
    assert embeddings.shape == (len(data.fitting), EMBEDDING_DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-4)
    np.testing.assert_allclose(network.predict_on_batch(views(data, 64)), embeddings, atol=1e-4)


def test_a_network_starts_as_the_discriminant_of_whom_it_learns_from(data: Data) -> None:
    network, trunk = start_network(data, CONFIGURATION, None)
    started = network.get_layer("embedding").get_weights()
    set_discriminant(network, trunk, shown_features(trunk, data, CONFIGURATION), CONFIGURATION)
    for before, after in zip(started, network.get_layer("embedding").get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    alike = embedded(network, shown_features(trunk, data, CONFIGURATION).features)
    nearest = (alike @ alike.T - 2 * np.eye(len(alike))).argmax(axis=1)
    subjects = np.array([row.subject for row in data.fitting])
    assert np.mean(subjects[nearest] == subjects) > 0.9


def test_a_mirrored_network_starts_as_one_that_does_not_tell_left_from_right(data: Data) -> None:
    network, _ = start_network(data, configured(mirrored=True), None)
    images = views(data, 64)
    np.testing.assert_allclose(
        network.predict_on_batch(images), network.predict_on_batch(images[:, :, ::-1]), atol=1e-4
    )


def test_a_trunk_without_depths_starts_from_whitening(data: Data) -> None:
    network, _ = start_network(data, configured(epochs=1, depths=False), None)
    assert network.get_layer("dense").get_weights()[0].shape == (8, CONFIGURATION.dense)
    for size in (64, NETWORK_SIZE):
        assert network.predict_on_batch(views(data, size)).shape == (len(data.fitting), EMBEDDING_DIMENSION)


@pytest.mark.parametrize("grid", [False, True])
def test_a_network_rebuilt_for_service_gives_the_same_embeddings(data: Data, grid: bool) -> None:
    configuration = configured(grid=grid, size=NETWORK_SIZE)
    network, _ = start_network(data, configuration, None)
    served = at_network_size(network, build_network(configuration, NETWORK_SIZE, None)[0])
    images = views(data, NETWORK_SIZE)
    np.testing.assert_allclose(
        served.predict_on_batch(images.astype(np.uint8)), network.predict_on_batch(images), atol=1e-5
    )
