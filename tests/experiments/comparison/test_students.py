from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from experiments.comparison.candidates import CANDIDATES
from experiments.comparison.students import ADAPTED, MOMENTUM, BasisAdapter, build_student, embeddings, modulated
from training.networks.backbones import build_backbone

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2

BY_KEY = {candidate.key: candidate for candidate in CANDIDATES}
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3)).astype(np.uint8)


def normalisation(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]


def test_modalities_share_the_trunk_and_have_a_head_each(weights: Path) -> None:
    student = build_student(BY_KEY["reference"], ["skin", "mri"], weights)
    assert [head.name for head in student.heads] == ["head_skin", "head_mri"]
    first, second = (embeddings(student, output, PICTURES) for output in (0, 1))
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1.0, atol=1e-5)
    assert not np.allclose(first, second, atol=1e-3)
    assert student.parameters < 1.5 * student.trunk.count_params() + 2e6


def test_one_head_gives_all_modalities_the_same_embedding(weights: Path) -> None:
    student = build_student(BY_KEY["one-head"], ["skin", "mri"], weights)
    np.testing.assert_array_equal(embeddings(student, 0, PICTURES), embeddings(student, 1, PICTURES))


def test_only_random_backbones_learn_batch_normalisation(weights: Path) -> None:
    pretrained = normalisation(build_student(BY_KEY["reference"], ["skin"], weights).trunk)
    random = normalisation(build_student(BY_KEY["random"], ["skin"], weights).trunk)
    assert not any(layer.trainable for layer in pretrained)
    assert all(layer.trainable and layer.momentum == MOMENTUM for layer in random)


IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


def test_an_adapter_mixes_low_rank_changes_of_the_kernel() -> None:
    rng = np.random.default_rng(1)
    features, mixture = rng.normal(size=(2, 3, 3, 5)), np.array([[0.25, 0.75], [1.0, 0.0]])
    adapter = BasisAdapter(bases=2, rank=3, channels=4)
    adapter.build((None, 3, 3, 5), (None, 2))
    down, up = rng.normal(size=(5, 6)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
    adapter.set_weights([down, up])
    kernels = [down[:, :3] @ up[:3], down[:, 3:] @ up[3:]]
    expected = np.stack(
        [
            image @ (weights[0] * kernels[0] + weights[1] * kernels[1])
            for image, weights in zip(features, mixture, strict=True)
        ]
    )
    changed = ops.convert_to_numpy(adapter(features.astype(np.float32), mixture.astype(np.float32)))
    np.testing.assert_allclose(changed, expected, atol=1e-4)


@pytest.fixture(scope="module")
def trunk() -> keras.Model:
    return build_backbone("mobilenet_v2", 64, None)


def test_adapters_start_without_effect_and_share_the_trunk(trunk: keras.Model) -> None:
    adapted = modulated(trunk, bases=3)
    np.testing.assert_allclose(adapted.predict_on_batch(IMAGES), trunk.predict_on_batch(IMAGES), atol=1e-5)
    own = {id(variable) for variable in trunk.trainable_variables}
    added = [variable for variable in adapted.trainable_variables if id(variable) not in own]
    assert len(added) == 2 * len(ADAPTED) + 2
    assert len(adapted.trainable_variables) == len(own) + len(added)


def test_the_mixture_of_every_picture_sums_to_one(trunk: keras.Model) -> None:
    adapted = modulated(trunk, bases=3)
    inner = next(layer for layer in adapted._flatten_layers() if layer.name == "mixture")
    weights = ops.convert_to_numpy(inner(np.random.default_rng(0).normal(size=(4, 24)).astype(np.float32)))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)
