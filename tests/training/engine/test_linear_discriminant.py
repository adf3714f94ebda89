from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from training.engine import linear_discriminant as module
from training.engine.linear_discriminant import discriminant, principal_components

DEPTHS = [10, 30]
SIZE = sum(DEPTHS)

Features = NDArray[np.float32]
Labels = NDArray[np.intp]


def pictures_of(people: int, each: int, seed: int) -> tuple[Features, Labels]:
    """Who somebody is fills six directions; how a picture was taken fills three, and three times as far."""
    mixing = np.random.default_rng(0)
    who, how = mixing.normal(size=(6, SIZE)), mixing.normal(size=(3, SIZE))
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), each)
    features = rng.normal(size=(people, 6))[labels] @ who + 3 * rng.normal(size=(len(labels), 3)) @ how
    return (features + rng.normal(0, 0.3, features.shape)).astype(np.float32), labels


def fitted(
    features: Features, labels: Labels, units: int = 16, *, shrinkage: float = 0.01, within: float = 0.1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return discriminant(features, labels, DEPTHS, units, whitening_shrinkage=shrinkage, within_class_shrinkage=within)


def cosines(features: Features, layer: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[np.float64]:
    values = features @ layer[0] + layer[1]
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values @ values.T)


def separation(layer: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """Mean cosine within strangers to the fitting, minus that between them."""
    features, labels = pictures_of(30, 2, seed=99)
    own = labels[:, np.newaxis] == labels
    alike = cosines(features, layer)
    return float(alike[own & ~np.eye(len(own), dtype=bool)].mean() - alike[~own].mean())


def test_images_of_one_person_come_nearer_than_by_whitening() -> None:
    seen = pictures_of(60, 3, seed=1)
    whitened, discriminated = separation(fitted(*seen, within=0.0)), separation(fitted(*seen))
    assert discriminated > 0.7
    assert discriminated > whitened + 0.15


def test_a_refinement_replaces_the_head_and_adds_its_bias() -> None:
    features, labels = pictures_of(20, 2, seed=1)
    plain = fitted(features, labels)
    turn = scipy.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0]
    kernel, bias = discriminant(
        features,
        labels,
        DEPTHS,
        16,
        whitening_shrinkage=0.01,
        within_class_shrinkage=0.1,
        refine=lambda _, head: (head @ turn, np.ones(16)),
    )
    middle = features.mean(axis=0, dtype=np.float64) @ kernel + bias
    np.testing.assert_allclose(middle, middle[0], rtol=1e-3)
    assert middle[0] > 0
    turned = plain[0] @ turn
    np.testing.assert_allclose(kernel / np.abs(kernel).max(), turned / np.abs(turned).max(), atol=1e-6)


def test_the_mean_picture_comes_out_as_nothing() -> None:
    features, labels = pictures_of(20, 2, seed=1)
    kernel, bias = fitted(features, labels)
    assert kernel.shape == (SIZE, 16)
    np.testing.assert_allclose(features.mean(axis=0, dtype=np.float64) @ kernel + bias, 0, atol=1e-4)


def test_the_scale_of_a_depth_does_not_matter() -> None:
    features, labels = pictures_of(20, 3, seed=1)
    scaled = features * np.repeat([1.0, 500.0], DEPTHS).astype(np.float32) + np.float32(7)
    np.testing.assert_allclose(
        cosines(scaled, fitted(scaled, labels)), cosines(features, fitted(features, labels)), atol=1e-3
    )


def test_a_number_that_never_varies_does_no_harm() -> None:
    features, labels = pictures_of(20, 3, seed=1)
    features[:, 3] = 2.0
    kernel, bias = fitted(features, labels)
    assert np.isfinite(kernel).all()
    assert np.isfinite(bias).all()
    assert np.abs(kernel[3]).max() < 1e-3


@pytest.mark.parametrize("within", [0.0, 0.3])
def test_signs_do_not_hang_on_those_of_the_solver(within: float, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = pictures_of(20, 3, seed=1)
    kernel, bias = fitted(features, labels, within=within)
    solve = scipy.linalg.eigh

    def flipped(matrix: NDArray[np.float64], **options: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values, vectors = solve(matrix, **options)
        return values, vectors * np.where(np.arange(vectors.shape[1]) % 3, -1.0, 1.0)

    monkeypatch.setattr(module, "eigh", flipped)
    again, shift = fitted(features, labels, within=within)
    np.testing.assert_allclose(again, kernel, atol=1e-6)
    np.testing.assert_allclose(shift, bias, atol=1e-5)


def test_the_order_of_pictures_does_not_matter() -> None:
    features, labels = pictures_of(20, 3, seed=1)
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = fitted(features[order], labels[order])
    np.testing.assert_allclose(cosines(features, shuffled), cosines(features, fitted(features, labels)), atol=1e-4)


@pytest.mark.parametrize("within", [0.0, 0.3])
def test_units_without_a_direction_stay_zero(within: float) -> None:
    kernel, bias = fitted(*pictures_of(4, 3, seed=1), 64, within=within)
    assert kernel.shape == (SIZE, 64)
    assert np.abs(kernel[:, :11]).max(axis=0).min() > 0
    assert not kernel[:, 11:].any()
    assert not bias[11:].any()


@pytest.mark.parametrize("people", [8, 60], ids=["fewer pictures than numbers", "more pictures than numbers"])
def test_no_pictures_of_two_people_are_mixed_up(people: int) -> None:
    features, labels = pictures_of(people, 3, seed=1)
    alike = cosines(features, fitted(features, labels)) - 2 * np.eye(len(labels))
    assert np.mean(labels[alike.argmax(axis=1)] == labels) > 0.9


@pytest.mark.parametrize("shape", [(12, 40), (40, 12)])
def test_principal_components_are_the_singular_vectors(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    values -= values.mean(axis=0)
    directions, variances = principal_components(values, 6)
    _, singular, vectors = np.linalg.svd(values, full_matrices=False)
    np.testing.assert_allclose(variances, singular[:6] ** 2 / len(values))
    np.testing.assert_allclose(np.abs(np.sum(directions * vectors[:6].T, axis=0)), 1.0)


def test_there_are_no_more_principal_components_than_the_rank() -> None:
    values = np.random.default_rng(0).normal(size=(30, 3)) @ np.random.default_rng(1).normal(size=(3, 20))
    directions, variances = principal_components(values, 10)
    assert directions.shape == (20, 3)
    assert variances.shape == (3,)


def test_without_the_within_class_part_it_whitens() -> None:
    features, labels = pictures_of(60, 3, seed=1)
    kernel, bias = fitted(features, labels, SIZE, shrinkage=1e-9, within=0.0)
    covariance = np.cov((features @ kernel + bias).T)
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(SIZE), atol=1e-2)


def test_whitening_alone_does_not_ask_who_is_who() -> None:
    features, labels = pictures_of(20, 3, seed=1)
    everybody_once = np.arange(len(labels))
    plain = fitted(features, labels, within=0.0)[0]
    np.testing.assert_array_equal(fitted(features, everybody_once, within=0.0)[0], plain)
    np.testing.assert_array_equal(fitted(features, everybody_once, within=0.3)[0], plain)


def test_a_large_within_class_shrinkage_changes_no_cosine() -> None:
    features, labels = pictures_of(20, 3, seed=1)
    plain, shrunk = fitted(features, labels, SIZE, within=0.0), fitted(features, labels, SIZE, within=1e7)
    np.testing.assert_allclose(cosines(features, shrunk), cosines(features, plain), atol=1e-4)


def test_people_with_a_single_picture_are_tolerated() -> None:
    features, labels = pictures_of(60, 3, seed=1)
    kept = np.flatnonzero((labels < 30) | (np.arange(len(labels)) % 3 == 0))
    layer = fitted(features[kept], labels[kept])
    assert np.isfinite(layer[0]).all()
    assert separation(layer) > 0.6


def test_people_differ_most_in_the_first_units() -> None:
    features, labels = pictures_of(60, 3, seed=1)
    kernel, bias = fitted(features, labels)
    means = np.stack([(features[labels == label] @ kernel + bias).mean(axis=0) for label in range(60)])
    variances = means.var(axis=0)
    assert np.all(np.diff(variances) <= 1e-9)
    assert variances[5] > 5 * variances[6]
