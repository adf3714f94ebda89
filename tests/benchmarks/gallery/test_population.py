"""Made-up people are as many as are asked for, always the same, and no nearer and no farther than real ones."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gallery.population import BLOCK, Nearest, Population, blend
from training.evaluation.distractors import Persons, best_cosines


def real_people(count: int = 40, pictures: int = 2) -> Persons:
    """Around one middle, as embeddings of a network are; pictures of one person are near each other."""
    rng = np.random.default_rng(5)
    people = rng.normal(size=(count, 1, 32)) + 0.3 * rng.normal(size=(count, pictures, 32)) + 0.5
    return np.asarray(people / np.linalg.norm(people, axis=2, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def population() -> Population:
    return Population(real_people())


def test_the_first_people_are_real(population: Population) -> None:
    np.testing.assert_array_equal(population.people(0, 40), population.real)


def test_people_are_the_same_however_they_are_asked_for(population: Population) -> None:
    everybody = population.people(0, BLOCK + 200)
    assert everybody.shape == (BLOCK + 200, 2, 32)
    np.testing.assert_array_equal(population.people(30, 50), everybody[30:50])
    np.testing.assert_array_equal(population.people(BLOCK + 20, BLOCK + 80), everybody[BLOCK + 20 : BLOCK + 80])
    np.testing.assert_array_equal(np.concatenate([p for _, p in population.blocks(7, BLOCK + 90)]), everybody[7:5090])


def test_nobody_is_made_twice_and_all_have_unit_length(population: Population) -> None:
    everybody = population.people(0, 3000)[:, 0]
    np.testing.assert_allclose(np.linalg.norm(everybody, axis=1), 1, atol=1e-5)
    assert len(np.unique(everybody.round(5), axis=0)) == 3000


def test_made_up_people_keep_mean_and_spread() -> None:
    real = real_people(200)
    made = blend(real, 4000, 30, np.random.default_rng(0))
    np.testing.assert_allclose(made.mean(axis=(0, 1)), real.mean(axis=(0, 1)), atol=0.02)
    assert made.std(axis=0).mean() == pytest.approx(real.std(axis=0).mean(), rel=0.1)


def test_half_of_the_probes_are_of_somebody_who_is_enrolled(population: Population) -> None:
    probes = population.probes(500, 100)
    near = best_cosines(probes, population.people(0, 500)).max(axis=1)
    assert probes.shape == (100, 32)
    assert np.median(near[:50]) > np.median(near[50:])


def test_the_nearest_of_a_passing_population_are_exact(population: Population) -> None:
    probes = population.strangers(10)
    nearest = Nearest(probes, 3)
    for first in range(0, 900, 300):
        nearest.add(first, population.people(first, first + 300))
    cosines = best_cosines(probes, population.people(0, 900))
    np.testing.assert_array_equal(nearest.numbers, np.argsort(-cosines, axis=1)[:, :3])
    np.testing.assert_allclose(nearest.cosines, -np.sort(-cosines, axis=1)[:, :3], atol=1e-6)
