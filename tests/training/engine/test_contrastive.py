from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from training.engine.contrastive import PATIENTS, Pairs, refine_by_pairs
from training.engine.linear_discriminant import Array

PEOPLE, SIZE = 40, 24


def shown(seed: int, pictures: int = 2) -> tuple[Array, NDArray[np.intp], list[str]]:
    """Who somebody is lies in the last directions; the first, where a picture was taken, are stronger."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(PEOPLE), pictures)
    values = rng.normal(0, 1.0, (len(labels), SIZE))
    values[:, SIZE // 2 :] = 0.6 * (rng.normal(0, 1.0, (PEOPLE, SIZE // 2))[labels] + 0.2 * values[:, SIZE // 2 :])
    return values, labels, [f"{i}.png" for i in range(len(labels))]


def rank1(values: Array, labels: NDArray[np.intp], head: Array, bias: Array) -> float:
    embeddings = values @ head + bias
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    nearest = (embeddings @ embeddings.T - 2 * np.eye(len(labels))).argmax(axis=1)
    return float(np.mean(labels[nearest] == labels))


def test_strangers_to_the_steps_are_told_apart_better_afterwards() -> None:
    head = np.eye(SIZE)[:, : SIZE - 2]
    pairs = Pairs(*shown(1), steps=200, seed=1)
    refined = refine_by_pairs(head, pairs, 1e-2, seed=1)
    values, labels, _ = shown(2)
    assert rank1(values, labels, *refined) > rank1(values, labels, head, np.zeros(SIZE - 2)) + 0.1


def test_steps_are_the_same_again() -> None:
    keras.utils.set_random_seed(3)
    first = refine_by_pairs(np.eye(SIZE), Pairs(*shown(1), steps=5, seed=1), 1e-2, seed=1)
    second = refine_by_pairs(np.eye(SIZE), Pairs(*shown(1), steps=5, seed=1), 1e-2, seed=1)
    np.testing.assert_array_equal(first[0], second[0])
    assert np.abs(first[0] / first[0].max() - np.eye(SIZE)).max() > 1e-3


def test_a_pair_is_of_one_patient_who_comes_once() -> None:
    values, labels, pictures = shown(1, pictures=3)
    values = np.column_stack([labels, np.arange(len(labels)), values])
    pairs = Pairs(values, labels, pictures, steps=4, seed=0)
    for index in range(len(pairs)):
        first, second = np.moveaxis(pairs[index][0], 1, 0)
        np.testing.assert_array_equal(first[:, 0], second[:, 0])
        assert len(set(first[:, 0].tolist())) == len(first) == PEOPLE <= PATIENTS
        assert np.all(first[:, 1] != second[:, 1])
    assert np.any(pairs[0][0] != pairs[1][0])


def test_a_picture_is_no_partner_of_its_own_copy() -> None:
    values, labels, _ = shown(1)
    copied = np.arange(len(labels)) // 2 * 2  # both rows of every patient show the same picture
    alone = Pairs(values, labels, [str(picture) for picture in copied], steps=4, seed=0)
    assert len(alone) == 0
    head, bias = refine_by_pairs(np.eye(SIZE), alone, 1e-2, seed=1)
    np.testing.assert_array_equal(head, np.eye(SIZE))
    assert not bias.any()


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_the_length_of_the_head_does_not_matter(factor: float) -> None:
    pairs = Pairs(*shown(1), steps=20, seed=1)
    usual, scaled = (
        refine_by_pairs(np.eye(SIZE), pairs, 1e-2, 1)[0],
        refine_by_pairs(factor * np.eye(SIZE), pairs, 1e-2, 1)[0],
    )
    np.testing.assert_allclose(usual, scaled, atol=1e-4)
