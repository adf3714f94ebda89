from typing import Any

import numpy as np
import pytest
from keras import ops

from experiments.comparison.candidates import Loss
from experiments.comparison.student_losses import DifferenceLoss, IdentityLoss, LinearSoftmax
from training.engine.embedding import SOFTNESS
from training.engine.losses import CosineSoftmax, batch_hard_triplet

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2

RNG = np.random.default_rng(0)
EMBEDDINGS = RNG.normal(0, 3, (8, 5)).astype(np.float32)
LABELS = np.repeat(np.arange(4, dtype=np.int32), 2)
UNIT = EMBEDDINGS / np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)


def number(value: Any) -> float:
    return float(ops.convert_to_numpy(value))


def started(kind: Loss) -> IdentityLoss:
    loss = IdentityLoss(kind, 4, 5)
    loss.start(EMBEDDINGS, LABELS)
    return loss


def test_linear_softmax_matches_the_formula() -> None:
    head = LinearSoftmax(4)
    head.build((None, 5))
    logits = EMBEDDINGS @ ops.convert_to_numpy(head.directions).T
    expected = np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(8), LABELS])
    assert number(head(EMBEDDINGS, LABELS)) == pytest.approx(expected, abs=1e-4)


def test_the_parts_of_the_reference_add_up() -> None:
    kinds: tuple[Loss, ...] = ("cosine softmax + triplet", "cosine softmax", "triplet")
    both, cosine, triplet = (number(started(kind)(EMBEDDINGS, LABELS)) for kind in kinds)
    assert both == pytest.approx(cosine + triplet, abs=1e-4)
    assert triplet == pytest.approx(number(batch_hard_triplet(UNIT, LABELS, SOFTNESS)), abs=1e-5)


def test_only_the_linear_head_feels_the_length_of_embeddings() -> None:
    expected: dict[Loss, bool] = {"softmax": True, "cosine softmax + triplet": False}
    for kind, changes in expected.items():
        loss = started(kind)
        near = number(loss(EMBEDDINGS, LABELS)) == pytest.approx(number(loss(2 * EMBEDDINGS, LABELS)), abs=1e-4)
        assert near != changes


def test_class_directions_begin_as_mean_embeddings() -> None:
    head = started("cosine softmax").cosine
    assert head is not None
    directions = ops.convert_to_numpy(head.directions)
    mean = UNIT[:2].mean(axis=0)
    np.testing.assert_allclose(directions[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_the_linear_head_starts_with_similar_logits() -> None:
    head = started("softmax").linear
    assert head is not None
    logits = EMBEDDINGS @ ops.convert_to_numpy(head.directions).T
    assert 0.5 * CosineSoftmax(1).scale < logits[np.arange(8), LABELS].mean() < 1.5 * CosineSoftmax(1).scale


def differences(student: np.ndarray, teacher: np.ndarray) -> float:
    loss = DifferenceLoss()
    loss.build((None, student.shape[1]))
    return number(loss(student, teacher))


def test_differences_match_the_formula() -> None:
    teacher = RNG.normal(size=EMBEDDINGS.shape).astype(np.float32)
    cosines = []
    for i in range(8):
        for j in range(8):
            if i != j:
                a, b = EMBEDDINGS[i] - EMBEDDINGS[j], teacher[i] - teacher[j]
                cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert differences(EMBEDDINGS, teacher) == pytest.approx(1 - np.mean(cosines), abs=1e-4)


def test_differences_are_learned_where_features_are_not() -> None:
    assert differences(EMBEDDINGS, 0.5 * EMBEDDINGS + 7) == pytest.approx(0, abs=1e-3)


def test_a_picture_that_is_there_twice_costs_a_finite_loss() -> None:
    twice = np.repeat(EMBEDDINGS[:2], 2, axis=0)
    assert np.isfinite(differences(twice, twice))
