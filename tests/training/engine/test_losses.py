import numpy as np
import pytest
from keras import ops

from training.engine.losses import CosineSoftmax, batch_hard_triplet, symmetric_contrast

LABELS = np.array([0, 0, 1, 1])


def unit(rows: list[list[float]]) -> np.ndarray:
    values = np.array(rows, np.float32)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))


APART = unit([[1, 0], [1, 0.05], [0, 1], [0.05, 1]])
MIXED = unit([[1, 0], [0, 1], [1, 0.05], [0.05, 1]])


def test_the_triplet_loss_is_small_if_people_are_apart() -> None:
    assert float(batch_hard_triplet(APART, LABELS, 10.0)) < 0.01
    assert float(batch_hard_triplet(MIXED, LABELS, 10.0)) > 0.5


def test_triplet_matches_the_formula() -> None:
    embeddings = unit([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8]])
    cosine = embeddings @ embeddings.T
    gaps = [max(cosine[i, j] for j in range(4) if LABELS[j] != LABELS[i]) for i in range(4)]
    genuine = [min(cosine[i, j] for j in range(4) if LABELS[j] == LABELS[i]) for i in range(4)]
    expected = np.mean([np.log1p(np.exp(10 * (gap - own))) / 10 for gap, own in zip(gaps, genuine, strict=True)])
    assert float(batch_hard_triplet(embeddings, LABELS, 10.0)) == pytest.approx(expected, abs=1e-5)


def test_contrast_matches_the_formula() -> None:
    first, second = unit([[1, 0], [0.8, 0.6], [0, 1]]), unit([[1, 0.1], [0, 1], [0.6, 0.8]])
    logits = 5.0 * first @ second.T
    rows = np.diag(logits) - np.log(np.exp(logits).sum(axis=1))
    columns = np.diag(logits) - np.log(np.exp(logits).sum(axis=0))
    assert float(symmetric_contrast(first, second, 5.0)) == pytest.approx(-np.mean(rows + columns), abs=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_cosine_softmax_matches_the_formula(margin: float) -> None:
    head = CosineSoftmax(2, scale=8.0, margin=margin)
    head.build((None, 2))
    head.directions.assign(np.array([[2.0, 0.0], [0.0, 5.0]]))
    logits = 8.0 * APART.copy()
    own = np.arccos(np.clip(APART[np.arange(4), LABELS], -1 + 1e-6, 1 - 1e-6))
    logits[np.arange(4), LABELS] = 8.0 * np.cos(own + margin)
    expected = np.mean(np.logaddexp.reduce(logits, axis=1) - logits[np.arange(4), LABELS])
    assert float(ops.convert_to_numpy(head(APART, LABELS))) == pytest.approx(expected, abs=1e-4)
