from pathlib import Path

import keras
import numpy as np
import pytest

from experiments.comparison.candidates import CANDIDATES
from experiments.comparison.students import MOMENTUM, build_student, embeddings

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


def test_one_head_for_all_gives_all_modalities_the_same_embedding(weights: Path) -> None:
    student = build_student(BY_KEY["one-head"], ["skin", "mri"], weights)
    np.testing.assert_array_equal(embeddings(student, 0, PICTURES), embeddings(student, 1, PICTURES))


def test_batch_normalisation_is_learned_from_random_weights_alone(weights: Path) -> None:
    pretrained = normalisation(build_student(BY_KEY["reference"], ["skin"], weights).trunk)
    random = normalisation(build_student(BY_KEY["random"], ["skin"], weights).trunk)
    assert not any(layer.trainable for layer in pretrained)
    assert all(layer.trainable and layer.momentum == MOMENTUM for layer in random)
