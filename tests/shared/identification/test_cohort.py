from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identification.cohort import NEAREST, Cohort, read_cohort
from shared.models.manifest import COHORT_FILE, MANIFEST_FILE, ModelManifest, file_digest, read_manifest


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    rows = rng.normal(size=(count, 16)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_the_level_is_the_mean_of_the_nearest() -> None:
    members = np.eye(8, dtype=np.float32)
    probe = np.array([[0.9, 0.3, 0.2, 0.2, 0.1, 0.05, 0.0, 0.0]], np.float32)
    assert Cohort(members).levels(probe) == pytest.approx([probe[0, :NEAREST].mean()])


def test_a_small_cohort_is_taken_whole() -> None:
    assert Cohort(np.eye(2, dtype=np.float32)).levels(np.array([[0.6, 0.8]], np.float32)) == pytest.approx([0.7])


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_levels_are_cosines_of_each_probe_alone(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cohort, probes = Cohort(unit(rng, count)), unit(rng, 3)
    levels = cohort.levels(probes)
    assert np.all(np.abs(levels) <= 1.0001)
    np.testing.assert_allclose(levels, [cohort.levels(probes[i : i + 1])[0] for i in range(3)], atol=1e-6)


def test_the_nearest_member_is_the_one_of_the_highest_cosine() -> None:
    cohort, probes = Cohort(np.eye(3, 4)), np.array([[0.6, 0.8, 0.0, 0.0], [0.0, 0.0, -0.6, 0.8]])
    nearest = cohort.nearest(probes)
    assert nearest.dtype == np.float32
    np.testing.assert_allclose(nearest, [0.8, 0.0], rtol=1e-6)


def test_numbers_of_another_precision_are_taken_as_float32() -> None:
    rng = np.random.default_rng(0)
    members, probes = (rng.normal(0, 0.1, (count, 64)) for count in (9, 300))
    single = Cohort(members.astype(np.float32))
    for measure in ("levels", "nearest"):
        expected = getattr(single, measure)(probes.astype(np.float32))
        again = getattr(Cohort(members), measure)(probes)
        assert again.dtype == np.float32
        np.testing.assert_array_equal(again, expected)


def test_a_cohort_is_stored_as_float16_and_never_unpickled(identifier_folder: Path, tmp_path: Path) -> None:
    path = Cohort(np.eye(3)).write(tmp_path)
    assert np.load(path, allow_pickle=False).dtype == np.float16
    np.save(path, np.array([{"code": "any"}]), allow_pickle=True)
    manifest = read_manifest(identifier_folder).model_copy(update={"cohort": file_digest(path)})
    with pytest.raises(ValueError, match="pickle"):
        read_cohort(tmp_path, manifest)


def test_what_was_written_is_read(identifier_folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cohort, probes = Cohort(unit(rng, 30)), unit(rng, 4)
    digest = file_digest(cohort.write(tmp_path))
    manifest = read_manifest(identifier_folder).model_copy(update={"cohort": digest})
    again = read_cohort(tmp_path, manifest)
    assert again is not None
    np.testing.assert_allclose(again.levels(probes), cohort.levels(probes), atol=1e-3)


def test_a_model_may_have_none(identifier_folder: Path) -> None:
    assert read_cohort(identifier_folder, read_manifest(identifier_folder).model_copy(update={"cohort": None})) is None


@pytest.mark.parametrize("damage", ["other", "missing"])
def test_a_cohort_that_is_not_the_described_one_is_refused(
    identifier_folder: Path, tmp_path: Path, damage: str
) -> None:
    for file in identifier_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    digest = file_digest(Cohort(np.eye(3, dtype=np.float32)).write(tmp_path))
    manifest: ModelManifest = read_manifest(identifier_folder).model_copy(update={"cohort": digest})
    (tmp_path / MANIFEST_FILE).write_text(manifest.model_dump_json())
    assert read_manifest(tmp_path).cohort == digest
    if damage == "other":
        Cohort(np.eye(4, dtype=np.float32)).write(tmp_path)
    else:
        (tmp_path / COHORT_FILE).unlink()
    with pytest.raises(ValueError, match=COHORT_FILE):
        read_manifest(tmp_path)
