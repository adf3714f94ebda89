"""A search by index finds what an exact search finds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.database.pool import Database
from shared.gallery import vector_search
from shared.gallery.interface import LEADING_IMAGES, Embedding, SearchResult, Template
from shared.gallery.postgres import PostgresGallery
from tests.shared.gallery.making import DIGEST, OTHER_DIGEST, template, unit

PATIENTS, IMAGES = 200, 10


def near(centre: Embedding, seed: int, spread: float) -> Embedding:
    vector = centre + spread * unit(seed)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


async def enrol_many(gallery: PostgresGallery, patients: int, images: int) -> None:
    """Pictures of one patient are near each other, as those of one person are."""
    for patient in range(patients):
        own = [near(unit(patient), 1000 + patient * images + i, 0.5) for i in range(images)]
        await gallery.enrol(f"P-{patient:04}", [Template("ct", DIGEST, e, 0.5, b"%d" % i) for i, e in enumerate(own)])


def summary(result: SearchResult) -> Sequence[tuple[str, tuple[bytes, ...]]]:
    return [(neighbour.patient_id, neighbour.local) for neighbour in result.candidates]


def similarities(result: SearchResult) -> NDArray[np.float64]:
    return np.array([neighbour.similarity for neighbour in result.candidates])


async def plan(database: Database, images: int) -> str:
    """How the server finds so many candidates in the only space that holds anything."""
    ((space,),) = await database.fetch("SELECT space FROM tallies")
    query = vector_search.NEAREST_BY_INDEX.format(table=f"templates_{space}", images=images)
    return str(await database.fetch(f"EXPLAIN {query}", {"probe": unit(1)}))


async def test_the_index_finds_what_an_exact_search_finds(
    indexed_gallery: PostgresGallery, gallery: PostgresGallery, database: Database
) -> None:
    await enrol_many(gallery, PATIENTS, IMAGES)
    assert "_nearest" in await plan(database, 200)
    for seed in range(10):
        probe = near(unit(seed), 10**6 + seed, 0.7) if seed % 2 else unit(10**6 + seed)
        found = await indexed_gallery.search("ct", DIGEST, probe, 20, with_local=5)
        exact = await gallery.search("ct", DIGEST, probe, 20, with_local=5)
        assert found.enrolled_patients == exact.enrolled_patients == PATIENTS
        assert summary(found)[:5] == summary(exact)[:5]
        np.testing.assert_allclose(similarities(found)[:5], similarities(exact)[:5], atol=1e-5)
        assert len({p for p, _ in summary(found)} & {p for p, _ in summary(exact)}) >= 19


async def test_a_patient_with_many_images_does_not_hide_others(
    indexed_gallery: PostgresGallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [Template("ct", DIGEST, near(unit(1), seed, 0.1), 0.5) for seed in range(100, 500)]
    await indexed_gallery.enrol("P-many", own)
    for patient in range(2, 60):
        await indexed_gallery.enrol(f"P-{patient:02}", [template(patient)])
    found = await indexed_gallery.search("ct", DIGEST, unit(1), 10)
    assert found.candidates[0].patient_id == "P-many"
    assert len({neighbour.patient_id for neighbour in found.candidates}) == 10
    monkeypatch.setattr(vector_search, "MAX_INDEX_IMAGES", 100)
    scanned = await indexed_gallery.search("ct", DIGEST, unit(1), 10)
    assert summary(scanned) == summary(found)


async def test_all_images_of_a_candidate_are_compared(indexed_gallery: PostgresGallery) -> None:
    images = [template(seed, local=b"%d" % seed) for seed in range(50)]
    await indexed_gallery.enrol("P-1", images)
    order = sorted(range(50), key=lambda seed: -float(unit(seed) @ unit(3)))
    (found,) = (await indexed_gallery.search("ct", DIGEST, unit(3), 1, with_local=1)).candidates
    assert found.local == tuple(b"%d" % seed for seed in order[:LEADING_IMAGES])
    assert found.similarity == pytest.approx(1.0, abs=1e-5)


async def test_a_patient_enrolled_during_searches_is_found_at_once(indexed_gallery: PostgresGallery) -> None:
    await enrol_many(indexed_gallery, 30, 5)

    async def enrol_and_find(seed: int) -> None:
        await indexed_gallery.enrol(f"N-{seed}", [template(seed)])
        result = await indexed_gallery.search("ct", DIGEST, unit(seed), 5)
        assert result.candidates[0].patient_id == f"N-{seed}"
        assert result.enrolled_patients > 30

    await asyncio.gather(*(enrol_and_find(seed) for seed in range(5000, 5040)))
    assert (await indexed_gallery.search("ct", DIGEST, unit(5000), 1)).enrolled_patients == 70


async def test_an_erased_patient_is_no_longer_found(indexed_gallery: PostgresGallery) -> None:
    await enrol_many(indexed_gallery, 30, 5)
    probe = near(unit(7), 1, 0.3)
    assert (await indexed_gallery.search("ct", DIGEST, probe, 5)).candidates[0].patient_id == "P-0007"
    await indexed_gallery.erase("P-0007")
    result = await indexed_gallery.search("ct", DIGEST, probe, 30)
    assert len(result.candidates) == result.enrolled_patients == 29
    assert "P-0007" not in {neighbour.patient_id for neighbour in result.candidates}


async def test_each_modality_and_digest_has_an_index_of_its_own(
    indexed_gallery: PostgresGallery, database: Database
) -> None:
    spaces = [("ct", DIGEST), ("ct", OTHER_DIGEST), ("mri", DIGEST)]
    await indexed_gallery.enrol("P-1", [template(1, *space) for space in spaces])
    rows = await database.fetch(
        "SELECT modality, model_digest FROM pg_indexes JOIN spaces ON tablename = 'templates_' || space"
        " WHERE position('hnsw' IN indexdef) > 0"
    )
    assert set(spaces) <= set(rows)
    assert len(rows) == len(set(rows))
