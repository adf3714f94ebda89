import asyncio
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg
import pytest

from shared.database.connections import Database, open_database
from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate
from shared.database.settings import DatabaseSettings
from shared.errors import Conflict, DatabaseUnavailable, NotFound
from shared.gallery.contracts import IdempotencyClaim, Template
from shared.gallery.postgres import PostgresGallery

DIGEST, OTHER_DIGEST = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    return vector / np.linalg.norm(vector)


def template(seed: int, modality: str = "ct", digest: str = DIGEST) -> Template:
    return Template(modality, digest, unit(seed), 0.5)


def claim(key: str, fingerprint: bytes = b"1") -> IdempotencyClaim:
    return IdempotencyClaim("caller", key, fingerprint)


async def test_an_enrolled_image_is_found_at_once_with_its_cosine(gallery: PostgresGallery) -> None:
    (image,) = await gallery.enrol("P-1", [template(1)])
    result = await gallery.search("ct", DIGEST, unit(1), 5)
    assert [(n.patient_id, n.image_id) for n in result.neighbours] == [("P-1", image.image_id)]
    assert result.neighbours[0].similarity == pytest.approx(1.0, abs=1e-5)


async def test_search_agrees_with_numpy(gallery: PostgresGallery) -> None:
    for patient in range(12):
        await gallery.enrol(f"P-{patient:02}", [template(100 * patient + i) for i in range(3)])
    cosines = {f"P-{p:02}": max(float(unit(7) @ unit(100 * p + i)) for i in range(3)) for p in range(12)}
    expected = sorted(cosines.items(), key=lambda item: -item[1])[:5]
    result = await gallery.search("ct", DIGEST, unit(7), 5)
    assert [n.patient_id for n in result.neighbours] == [patient for patient, _ in expected]
    np.testing.assert_allclose([n.similarity for n in result.neighbours], [s for _, s in expected], atol=1e-5)
    assert result.enrolled_patients == 12


async def test_modalities_and_digests_are_never_compared(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1, "mri"), template(1, "ct", OTHER_DIGEST)])
    result = await gallery.search("ct", DIGEST, unit(1), 5)
    assert (list(result.neighbours), result.enrolled_patients) == ([], 0)


async def test_find_compares_with_one_patient_only(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1), template(2)])
    await gallery.enrol("P-2", [template(3)])
    found = await gallery.find("ct", DIGEST, unit(3), "P-1")
    assert found is not None
    assert found.similarity == pytest.approx(max(float(unit(3) @ unit(i)) for i in (1, 2)), abs=1e-5)
    assert await gallery.find("ct", DIGEST, unit(3), "P-9") is None


async def test_the_same_claim_replays_and_enrols_once(gallery: PostgresGallery) -> None:
    first = await gallery.enrol("P-1", [template(1)], idempotency=claim("k"))
    assert await gallery.enrol("P-1", [template(1)], idempotency=claim("k")) == first
    assert await gallery.replay(claim("k")) == first
    assert len((await gallery.patient("P-1")).images) == 1


async def test_concurrent_requests_with_one_claim_enrol_once(gallery: PostgresGallery) -> None:
    answers = await asyncio.gather(*(gallery.enrol("P-1", [template(1)], idempotency=claim("k")) for _ in range(5)))
    assert len({tuple(image.image_id for image in answer) for answer in answers}) == 1
    assert len((await gallery.patient("P-1")).images) == 1


async def test_the_same_claim_with_another_body_is_a_conflict(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1)], idempotency=claim("k"))
    with pytest.raises(Conflict):
        await gallery.enrol("P-1", [template(2)], idempotency=claim("k", b"2"))
    assert await gallery.replay(claim("another")) is None


async def test_a_failing_enrolment_leaves_nothing(gallery: PostgresGallery) -> None:
    wrong = Template("ct", DIGEST, np.zeros(3, np.float32), 0.5)
    with pytest.raises(psycopg.DataError):
        await gallery.enrol("P-1", [template(1), wrong])
    with pytest.raises(NotFound):
        await gallery.patient("P-1")


async def test_patients_are_paged_by_the_bytes_of_their_ids(gallery: PostgresGallery) -> None:
    for patient in ("b", "B", "a1", "a.1"):
        await gallery.enrol(patient, [template(1), template(2, "mri")])
    first = await gallery.patients(None, 3)
    rest = await gallery.patients(first[-1].patient_id, 3)
    assert [line.patient_id for line in (*first, *rest)] == ["B", "a.1", "a1", "b"]
    assert (first[0].images, list(first[0].modalities)) == (2, ["ct", "mri"])


async def test_the_history_is_in_order_of_acquisition(gallery: PostgresGallery) -> None:
    for year in (2021, 2019, 2020):
        await gallery.enrol("P-1", [template(year)], reference=str(year), acquired_at=datetime(year, 1, 1, tzinfo=UTC))
    assert [i.reference for i in (await gallery.patient("P-1")).images] == ["2019", "2020", "2021"]


async def test_after_erasure_no_table_holds_anything_of_the_patient(
    gallery: PostgresGallery, database: Database
) -> None:
    (image,) = await gallery.enrol("P-SECRET", [template(1)], reference="REF-SECRET", idempotency=claim("k"))
    erasure = await gallery.erase("P-SECRET")
    assert erasure.images_erased == 1
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        content = str(await database.fetch(f"SELECT t::text FROM {table} t"))
        assert not any(trace in content for trace in ("P-SECRET", "REF-SECRET", image.image_id)), table
    assert (await gallery.search("ct", DIGEST, unit(1), 5)).enrolled_patients == 0


async def test_one_image_can_be_erased(gallery: PostgresGallery) -> None:
    kept, gone = await gallery.enrol("P-1", [template(1), template(2)])
    await gallery.erase_image("P-1", gone.image_id)
    assert list((await gallery.patient("P-1")).images) == [kept]


@pytest.mark.parametrize("verb", ["patient", "erase"])
async def test_an_unknown_patient_is_not_found(gallery: PostgresGallery, verb: str) -> None:
    with pytest.raises(NotFound):
        await getattr(gallery, verb)("P-9")


async def test_an_image_of_another_patient_is_not_found(gallery: PostgresGallery) -> None:
    (image,) = await gallery.enrol("P-1", [template(1)])
    with pytest.raises(NotFound):
        await gallery.erase_image("P-2", image.image_id)


async def test_counts_are_per_modality_and_digest(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1), template(2), template(3, "mri")])
    await gallery.enrol("P-2", [template(4, "ct", OTHER_DIGEST)])
    counted = {(c.modality, c.model_digest): (c.patients, c.images) for c in await gallery.counts()}
    assert counted == {("ct", DIGEST): (1, 2), ("mri", DIGEST): (1, 1), ("ct", OTHER_DIGEST): (1, 1)}


async def test_two_replicas_see_each_others_enrolments(
    gallery: PostgresGallery, database_settings: DatabaseSettings
) -> None:
    async with open_database(database_settings) as other:
        await gallery.enrol("P-1", [template(1)])
        assert (await PostgresGallery(other).search("ct", DIGEST, unit(1), 1)).enrolled_patients == 1


async def test_an_outage_is_an_error_and_never_an_empty_gallery(server_folder: Path) -> None:
    data = server_folder / "outage"
    server = EmbeddedServer(data)
    migrate(server.url)
    async with open_database(DatabaseSettings.model_validate({"database_url": server.url})) as database:
        gallery = PostgresGallery(database)
        await gallery.enrol("P-1", [template(1)])
        server.stop()
        with pytest.raises(DatabaseUnavailable):
            await gallery.search("ct", DIGEST, unit(1), 1)
        revived = EmbeddedServer(data)
        for _ in range(40):
            try:
                result = await gallery.search("ct", DIGEST, unit(1), 1)
                break
            except DatabaseUnavailable:
                await asyncio.sleep(0.25)
        assert result.enrolled_patients == 1
        revived.stop()
