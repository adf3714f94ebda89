"""Partitions are created when needed, and their counts are right under concurrent writers."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from shared.database.pool import Database
from shared.gallery.postgres import PostgresGallery
from tests.shared.gallery.making import DIGEST, template, unit


async def true_counts(database: Database) -> dict[tuple[str, str], tuple[int, int]]:
    rows = await database.fetch(
        "SELECT modality, model_digest, count(DISTINCT patient_key), count(*) FROM templates GROUP BY 1, 2"
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


async def kept_counts(gallery: PostgresGallery) -> dict[tuple[str, str], tuple[int, int]]:
    return {(c.modality, c.model_digest): (c.patients, c.images) for c in await gallery.counts()}


async def test_concurrent_enrolments_create_a_new_space_once(gallery: PostgresGallery, database: Database) -> None:
    digest = f"sha256:{uuid4().hex}"
    await asyncio.gather(*(gallery.enrol(f"P-{i}", [template(i, digest=digest)]) for i in range(8)))
    assert await database.fetch("SELECT count(*) FROM spaces WHERE model_digest = %s", [digest]) == [(1,)]
    assert (await kept_counts(gallery))["ct", digest] == (8, 8)


async def test_enrolling_modalities_in_any_order_does_not_deadlock(gallery: PostgresGallery) -> None:
    both = [template(1), template(2, "mri")]
    await asyncio.gather(*(gallery.enrol(f"P-{i}", both[:: 1 if i % 2 else -1]) for i in range(20)))
    assert await kept_counts(gallery) == {("ct", DIGEST): (20, 20), ("mri", DIGEST): (20, 20)}


async def test_counts_stay_right_while_many_enrol_and_erase(gallery: PostgresGallery, database: Database) -> None:
    async def live(patient: int) -> None:
        shared_id = f"P-{patient % 5}"
        (first, *_) = await gallery.enrol(shared_id, [template(patient), template(patient, "mri")])
        await gallery.enrol(f"Q-{patient}", [template(patient)] * (1 + patient % 3))
        await gallery.erase_image(shared_id, first.image_id)
        if patient % 2:
            await gallery.erase(f"Q-{patient}")

    await asyncio.gather(*(live(patient) for patient in range(30)))
    assert await kept_counts(gallery) == await true_counts(database)


async def test_a_writer_does_not_wait_for_the_count_of_another(gallery: PostgresGallery, database: Database) -> None:
    await gallery.enrol("P-1", [template(1)])
    async with database.connection() as writing:
        await writing.execute("DELETE FROM templates")
        async with asyncio.timeout(2):
            await gallery.enrol("P-2", [template(2)])
    assert (await gallery.search("ct", DIGEST, unit(2), 5)).enrolled_patients == 1


async def test_what_is_rolled_back_was_never_counted(gallery: PostgresGallery, database: Database) -> None:
    await gallery.enrol("P-1", [template(1)])
    async with database.session() as connection, connection.transaction(force_rollback=True):
        await connection.execute("DELETE FROM patients")
    assert await kept_counts(gallery) == {("ct", DIGEST): (1, 1)}


async def test_deleting_patients_directly_is_counted_as_well(gallery: PostgresGallery, database: Database) -> None:
    for patient in range(3):
        await gallery.enrol(f"P-{patient}", [template(patient), template(patient, "mri")])
    await database.fetch("DELETE FROM patients WHERE patient_id < 'P-2'")
    assert await kept_counts(gallery) == {("ct", DIGEST): (1, 1), ("mri", DIGEST): (1, 1)}


async def test_emptied_tables_count_nothing(gallery: PostgresGallery, database: Database) -> None:
    await gallery.enrol("P-1", [template(1)])
    await database.fetch("TRUNCATE patients CASCADE")
    assert list(await gallery.counts()) == []
