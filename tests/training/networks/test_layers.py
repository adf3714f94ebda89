from pathlib import Path

import keras
import numpy as np
import pytest

from training.data.imagenet_weights import FILES, at_hand, require_weights
from training.engine.initialisation import whiten_head
from training.networks.backbones import (
    BOTTLENECKS,
    _in_nine_parts,
    build_backbone,
    build_depths,
    depth_sizes,
    freeze_batch_normalisation,
)
from training.networks.layers import (
    GeneralisedMean,
    LeftToRight,
    Positive,
    build_identifier,
    linear_identifier,
)


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    return build_backbone("mobilenet_v2", 64, None)


@pytest.fixture(scope="module")
def depths() -> keras.Model:
    return build_depths("mobilenet_v2", 64, None)


def pictures(count: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.float32)


def test_a_generalised_mean_of_one_is_the_average() -> None:
    features = np.random.default_rng(0).random((2, 3, 3, 5)).astype(np.float32) + 0.1
    np.testing.assert_allclose(GeneralisedMean(1.0)(features), features.mean(axis=(1, 2)), rtol=1e-4)


def test_embeddings_have_unit_length(backbone: keras.Model) -> None:
    embeddings = build_identifier(backbone).predict_on_batch(pictures(3))
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)
    assert embeddings.shape == (3, 256)


def test_left_to_right_says_on_which_side_something_is() -> None:
    features = np.zeros((2, 3, 5, 1), np.float32)
    features[0, :, 0], features[1, :, 4] = 1.0, 1.0
    left, right = np.asarray(LeftToRight()(features))[:, 0]
    assert left == -right < 0


def test_a_picture_and_its_negative_come_out_as_the_same() -> None:
    images = pictures(8)
    np.testing.assert_array_equal(Positive()(images), Positive()(255 - images))


@pytest.mark.parametrize(
    ("colour", "expected"),
    [((30, 30, 30), (30, 30, 30)), ((220, 220, 220), (35, 35, 35)), ((220, 170, 150), (220, 170, 150))],
    ids=["dark grey", "bright grey", "warm and bright"],
)
def test_the_warmer_or_darker_of_the_two_is_the_positive(
    colour: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    image = np.full((1, 4, 4, 3), colour, np.float32)
    np.testing.assert_array_equal(Positive()(image)[0, 0, 0], expected)


def test_a_hybrid_concatenates_both_maps() -> None:
    hybrid = build_backbone("mobilenet_v2+mobilenet", 64, None)
    assert hybrid.output_shape == (None, 2, 2, 1280 + 1024)


def test_an_unknown_backbone_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no backbone 'vgg'. Choose from mobilenet, mobilenet_v2"):
        build_backbone("vgg", 64, None)


def test_lite0_says_which_file_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"needs efficientnet_lite0_imagenet_notop\.keras"):
        build_backbone("efficientnet_lite0", 64, tmp_path)


def test_frozen_batch_normalisation_has_nothing_to_train() -> None:
    backbone = build_backbone("mobilenet_v2", 64, None)
    freeze_batch_normalisation(backbone)
    assert not [v.path for v in backbone.trainable_variables if "gamma" in v.path or "beta" in v.path]


def test_a_whitened_head_gives_uncorrelated_embeddings(backbone: keras.Model) -> None:
    network = build_identifier(backbone, dense=32)
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(400, 1280)) * np.linspace(3, 0.1, 1280)).astype(np.float32)
    whiten_head(network, features, shrinkage=0.0)
    embedded = np.asarray(network.get_layer("embedding")(network.get_layer("dense")(features)))[:, :32]
    covariance = np.cov(embedded.T)
    np.testing.assert_allclose(covariance, covariance[0, 0] * np.eye(32), atol=0.05 * covariance[0, 0])


def test_depths_are_the_averages_of_every_resolution(depths: keras.Model) -> None:
    assert depth_sizes(depths) == [96, 144, 192, 576, 1280]
    assert depths.output_shape == (None, 96 + 144 + 192 + 576 + 1280)


def test_the_deepest_averages_are_those_of_the_last_map(depths: keras.Model, backbone: keras.Model) -> None:
    depths.set_weights(backbone.get_weights())
    images = pictures(3)
    last = backbone.predict_on_batch(images).mean(axis=(1, 2))
    np.testing.assert_allclose(depths.predict_on_batch(images)[:, -1280:], last, atol=1e-5)


def test_every_depth_follows_the_picture(depths: keras.Model) -> None:
    first, second = depths.predict_on_batch(pictures(2) * np.array([1.0, 0.4], np.float32)[:, None, None, None])
    for part in np.split(first - second, np.cumsum(depth_sizes(depths))[:-1]):
        assert np.abs(part).max() > 0


def test_depths_of_a_hybrid_follow_one_another() -> None:
    hybrid = build_depths("mobilenet_v2+mobilenet", 64, None)
    assert depth_sizes(hybrid) == [96, 144, 192, 576, 1280, 64, 128, 256, 512, 1024]


def test_a_grid_adds_nine_features_for_each_channel(depths: keras.Model) -> None:
    grid = build_depths("mobilenet_v2", 96, None, grid=True)
    assert depth_sizes(grid) == [*depth_sizes(depths), 9 * 96, 9 * 320]
    assert np.isfinite(grid.predict_on_batch(pictures(1, 96))).all()


def test_a_backbone_without_bottlenecks_has_no_grid() -> None:
    assert "mobilenet" not in BOTTLENECKS
    with pytest.raises(ValueError, match=r"mobilenet has no grid features. Choose from mobilenet_v2"):
        build_depths("mobilenet", 64, None, grid=True)


@pytest.mark.parametrize("side", [3, 4, 5, 6, 7, 8, 10, 12, 14])
def test_nine_parts_cover_the_map_and_say_where_something_is(side: int) -> None:
    spots = np.eye(side * side, dtype=np.float32).reshape(-1, side, side, 1)
    parts = np.asarray(_in_nine_parts(spots))
    assert parts.shape == (side * side, 3, 3, 1)
    assert (parts.sum(axis=(1, 2, 3)) > 0).all()
    corners = parts.reshape(side, side, 3, 3)[[0, 0, -1, -1], [0, -1, 0, -1]]
    expected = np.zeros((4, 3, 3))
    expected[np.arange(4), [0, 0, 2, 2], [0, 2, 0, 2]] = 1
    np.testing.assert_array_equal(corners > 0, expected)
    np.testing.assert_array_equal(parts, np.asarray(_in_nine_parts(spots[:, ::-1]))[:, ::-1])


def test_parts_are_averages() -> None:
    np.testing.assert_allclose(_in_nine_parts(np.full((1, 7, 7, 2), 5.0, np.float32)), 5.0)


def test_a_linear_identifier_is_one_dense_layer_of_unit_length(depths: keras.Model) -> None:
    network = linear_identifier(depths)
    kernel, bias = network.get_layer("embedding").get_weights()
    images = pictures(3)
    values = depths.predict_on_batch(images) @ kernel + bias
    expected = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(network.predict_on_batch(images), expected, atol=1e-4)
    assert network.output_shape == (None, 256)


def test_backbones_at_hand_are_those_with_weights(tmp_path: Path) -> None:
    assert at_hand(tmp_path) == set()
    (tmp_path / FILES["efficientnet_lite0"]).touch()
    assert at_hand(tmp_path) == {"efficientnet_lite0"}


def test_missing_weights_are_named_with_their_place(tmp_path: Path) -> None:
    (tmp_path / FILES["mobilenet_v2"]).touch()
    require_weights("mobilenet_v2", tmp_path)
    for weights in (tmp_path, None):
        with pytest.raises(ValueError, match=rf"missing: .*{FILES['efficientnet_lite0']}.*beside the data folder"):
            require_weights("mobilenet_v2+efficientnet_lite0", weights)
