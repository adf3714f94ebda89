from pathlib import Path

import numpy as np
import pytest

from training.data.bundle_manifest import Row, read_manifest
from training.evaluation.distractors import ANGLES, Persons, best_cosines, enlarge, mix, real_persons, widest_angle
from training.evaluation.scorers import RawPixels


def persons(count: int, pictures: int = 1, dimension: int = 16) -> Persons:
    """Directions of unequal spread around a common one."""
    spread = np.linspace(0.2, 1.0, dimension)
    found = np.random.default_rng(0).normal(0.3, spread, (count, pictures, dimension))
    return np.asarray(found / np.linalg.norm(found, axis=2, keepdims=True), np.float32)


def test_real_people_join_first() -> None:
    real = persons(10)
    some = enlarge(real, 6, 0)
    assert (some.real, some.angle) == (6, None)
    np.testing.assert_array_equal(some.persons, real[:6])
    many = enlarge(real, 50, 0)
    assert (many.real, len(many.persons)) == (10, 50)
    np.testing.assert_array_equal(many.persons[:10], real)


def test_made_up_people_have_unit_length_and_differ() -> None:
    made = enlarge(persons(10, pictures=2), 60, 0).persons
    np.testing.assert_array_equal(made, enlarge(persons(10, pictures=2), 60, 0).persons)
    np.testing.assert_allclose(np.linalg.norm(made, axis=2), 1.0, atol=1e-5)
    drawn = np.unique(mix(persons(100), 60, 45.0, np.random.default_rng(0)).reshape(60, -1), axis=0)
    assert len(drawn) == 60


def test_mixtures_keep_mean_and_spread() -> None:
    real = persons(400)
    made = mix(real, 4000, 45.0, np.random.default_rng(0))
    np.testing.assert_allclose(made.mean(axis=0), real.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(made.std(axis=0), real.std(axis=0), atol=0.05)


def test_made_up_people_are_as_near_to_strangers_as_real_ones() -> None:
    """What makes them fit for the purpose: half of the people are mixed, the others ask."""
    real = persons(200)
    made = enlarge(real[:100], 200, 0).persons[100:]
    asking = real[100:, 0]
    usual, now = (float(np.median(best_cosines(asking, those).max(axis=1))) for those in (real[:100], made))
    assert now == pytest.approx(usual, abs=0.05)


def test_separate_groups_are_mixed_at_a_narrow_angle() -> None:
    """Ten groups apart: mixtures across them are near to nobody."""
    groups = np.repeat(np.eye(10, 16, dtype=np.float32), 8, axis=0)[:, np.newaxis]
    apart = groups + np.random.default_rng(0).normal(0, 0.05, groups.shape).astype(np.float32)
    apart /= np.linalg.norm(apart, axis=2, keepdims=True)
    assert widest_angle(apart, np.random.default_rng(0)) < ANGLES[0]


def test_too_few_people_cannot_be_mixed() -> None:
    with pytest.raises(ValueError, match="3 people of the training split are too few"):
        enlarge(persons(3), 10, 0)


def test_a_person_is_as_near_as_its_nearest_picture() -> None:
    people = persons(7, pictures=3)
    probes = people[:2, 0]
    expected = np.einsum("qd,npd->qnp", probes, people).max(axis=2)
    np.testing.assert_allclose(best_cosines(probes, people, block=2), expected, atol=1e-6)


def test_people_have_the_requested_number_of_pictures(bundle: Path) -> None:
    rows: list[Row] = [row for row in read_manifest(bundle) if row.split == "train"]
    found = real_persons(RawPixels(bundle), rows, 3, 0)
    assert found.shape == (12, 3, 32 * 32 * 3)
    assert not np.allclose(found[:, 0], found[:, 1])
    np.testing.assert_array_equal(found[:, 0], found[:, 2])  # each has two
