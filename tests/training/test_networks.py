from pathlib import Path

import keras
import numpy as np
import pytest

from training.networks import GeneralisedMean, LeftToRight, build_identifier, mirror_symmetric
from training.trunks import build_trunk, freeze_batch_normalisation
from training.whitening import whiten_head


@pytest.fixture(scope="module")
def trunk() -> keras.Model:
    return build_trunk("mobilenet_v2", 64, None)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3)).astype(np.float32)


def test_a_generalised_mean_of_one_is_the_average() -> None:
    features = np.random.default_rng(0).random((2, 3, 3, 5)).astype(np.float32) + 0.1
    np.testing.assert_allclose(GeneralisedMean(1.0)(features), features.mean(axis=(1, 2)), rtol=1e-4)


def test_embeddings_have_unit_length(trunk: keras.Model) -> None:
    embeddings = build_identifier(trunk).predict_on_batch(pictures(3))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)
    assert embeddings.shape == (3, 256)


def test_a_mirror_symmetric_network_sees_no_difference_between_left_and_right(trunk: keras.Model) -> None:
    network = mirror_symmetric(build_identifier(trunk))
    images = pictures(2)
    np.testing.assert_allclose(
        network.predict_on_batch(images), network.predict_on_batch(images[:, :, ::-1]), atol=1e-5
    )


def test_left_to_right_says_on_which_side_something_is() -> None:
    features = np.zeros((2, 3, 5, 1), np.float32)
    features[0, :, 0], features[1, :, 4] = 1.0, 1.0
    left, right = np.asarray(LeftToRight()(features))[:, 0]
    assert left == -right < 0


def test_a_hybrid_concatenates_the_maps_of_both_trunks() -> None:
    hybrid = build_trunk("mobilenet_v2+mobilenet", 64, None)
    assert hybrid.output_shape == (None, 2, 2, 1280 + 1024)


def test_an_unknown_trunk_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no trunk 'vgg'; choose from mobilenet, mobilenet_v2"):
        build_trunk("vgg", 64, None)


def test_lite0_says_which_file_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"needs efficientnet_lite0_imagenet_notop\.keras"):
        build_trunk("efficientnet_lite0", 64, tmp_path)


def test_frozen_batch_normalisation_has_nothing_to_train() -> None:
    trunk = build_trunk("mobilenet_v2", 64, None)
    freeze_batch_normalisation(trunk)
    assert not [v.path for v in trunk.trainable_variables if "gamma" in v.path or "beta" in v.path]


def test_a_whitened_head_gives_uncorrelated_embeddings_of_the_features(trunk: keras.Model) -> None:
    network = build_identifier(trunk, dense=32)
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(400, 1280)) * np.linspace(3, 0.1, 1280)).astype(np.float32)
    whiten_head(network, features, shrinkage=0.0)
    embedded = np.asarray(network.get_layer("embedding")(network.get_layer("dense")(features)))[:, :32]
    covariance = np.cov(embedded.T)
    np.testing.assert_allclose(covariance, covariance[0, 0] * np.eye(32), atol=0.05 * covariance[0, 0])
