"""What only the gallery on PostgreSQL can do, or get wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate
from shared.database.pool import Database, open_database
from shared.database.settings import DatabaseSettings
from shared.errors import DatabaseUnavailable
from shared.gallery.interface import SearchResult
from shared.gallery.postgres import PostgresGallery
from tests.shared.gallery.making import DIGEST, OTHER_DIGEST, claim, template, unit


async def content_of_all_tables(database: Database) -> str:
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    queries = [f"SELECT t::text FROM {table} t" for (table,) in tables]  # noqa: S608 - names from the catalogue
    return "".join([str(await database.fetch(query)) for query in queries])


async def test_after_erasure_no_table_holds_anything_of_the_patient(
    gallery: PostgresGallery, database: Database
) -> None:
    (image,) = await gallery.enrol("P-SECRET", [template(1)], reference="REF-SECRET", idempotency=claim("k"))
    before = await content_of_all_tables(database)
    assert all(trace in before for trace in ("P-SECRET", "REF-SECRET", image.image_id))
    erasure = await gallery.erase("P-SECRET")
    after = await content_of_all_tables(database)
    assert not any(trace in after for trace in ("P-SECRET", "REF-SECRET", image.image_id))
    assert erasure.receipt_id in after


async def test_after_erasure_of_an_image_no_table_holds_its_id(gallery: PostgresGallery, database: Database) -> None:
    kept, gone = await gallery.enrol("P-1", [template(1), template(2)], idempotency=claim("k"))
    await gallery.erase_image("P-1", gone.image_id)
    after = await content_of_all_tables(database)
    assert gone.image_id not in after
    assert kept.image_id in after


READER = Path(__file__).parents[3] / "deploy/database/reader.sql"


@pytest.fixture
def reader_settings(database_settings: DatabaseSettings) -> Iterator[DatabaseSettings]:
    """Of the role that services of a modality have in containers."""
    with psycopg.connect(database_settings.url, autocommit=True) as owner:
        statements = READER.read_text(encoding="utf-8").replace(":'password'", "'x'")
        owner.execute(statements.replace(':"owner"', f'"{owner.info.user}"').encode())
        url = make_conninfo(database_settings.url, user="medreid_reader")
        yield DatabaseSettings.model_validate({"database_url": url})
        owner.execute("DROP OWNED BY medreid_reader; DROP ROLE medreid_reader")


async def test_a_role_that_only_reads_is_all_that_a_search_needs(
    gallery: PostgresGallery, reader_settings: DatabaseSettings
) -> None:
    await gallery.enrol("P-1", [template(1)])
    await gallery.enrol("P-2", [template(2, digest=OTHER_DIGEST)])  # in a table that is newer than the role
    async with open_database(reader_settings) as database:
        reader = PostgresGallery(database)
        await reader.ping()
        for patient_id, digest in (("P-1", DIGEST), ("P-2", OTHER_DIGEST)):
            probe = template(int(patient_id[-1])).embedding
            found = await reader.search("ct", digest, probe, 3, 3)
            assert [neighbour.patient_id for neighbour in found.candidates] == [patient_id]
            assert len(await reader.local("ct", digest, probe, [patient_id])) == 1
            assert await reader.find("ct", digest, probe, patient_id)
        assert len(await reader.counts()) == 2
        for statement in ("INSERT INTO patients (patient_id) VALUES ('P-3')", "DELETE FROM audit_events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await database.fetch(statement)


async def test_a_claim_is_forgotten_after_a_day(gallery: PostgresGallery, database: Database) -> None:
    await gallery.enrol("P-1", [template(1)], idempotency=claim("k"))
    await database.fetch("UPDATE idempotency SET created_at = now() - interval '25 hours'")
    assert len(await gallery.enrol("P-1", [template(2)], idempotency=claim("k", b"2"))) == 1
    assert len((await gallery.patient("P-1")).images) == 2


async def test_an_enrolment_that_waited_for_an_erasure_starts_anew(
    gallery: PostgresGallery, database: Database
) -> None:
    await gallery.enrol("P-1", [template(1)], idempotency=claim("k"))
    async with database.connection() as erasing:
        await erasing.execute("DELETE FROM patients")
        waiting = asyncio.create_task(gallery.enrol("P-1", [template(2)]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    enrolled = await waiting
    assert list((await gallery.patient("P-1")).images) == list(enrolled)


async def test_two_replicas_see_each_others_enrolments(
    gallery: PostgresGallery, database_settings: DatabaseSettings
) -> None:
    async with open_database(database_settings) as other:
        await gallery.enrol("P-1", [template(1)])
        assert (await PostgresGallery(other).search("ct", DIGEST, unit(1), 1)).enrolled_patients == 1


@pytest.fixture
def own_server(server_folder: Path) -> Iterator[EmbeddedServer]:
    """A server that a test may stop."""
    server = EmbeddedServer(server_folder / "outage")
    migrate(server.url)
    yield server
    server.stop()


async def test_an_outage_is_an_error_and_never_an_empty_gallery(
    own_server: EmbeddedServer, server_folder: Path
) -> None:
    async with open_database(DatabaseSettings.model_validate({"database_url": own_server.url})) as database:
        gallery = PostgresGallery(database)
        await gallery.enrol("P-1", [template(1)])
        own_server.stop()
        with pytest.raises(DatabaseUnavailable):
            await gallery.search("ct", DIGEST, unit(1), 1)
        EmbeddedServer(server_folder / "outage")
        assert (await search_once_back(gallery)).enrolled_patients == 1

        own_server.process.suspend()  # first, because until then it may start others
        frozen = [own_server.process, *own_server.process.children()]
        for process in frozen:
            process.suspend()
        try:
            with pytest.raises(DatabaseUnavailable):
                async with asyncio.timeout(12):
                    await gallery.search("ct", DIGEST, unit(1), 1)
        finally:
            for process in frozen:
                resume(process)
        assert (await search_once_back(gallery)).enrolled_patients == 1


def resume(process: psutil.Process) -> None:
    if process.is_running():
        process.resume()


async def search_once_back(gallery: PostgresGallery) -> SearchResult:
    async with asyncio.timeout(30):
        while True:
            try:
                return await gallery.search("ct", DIGEST, unit(1), 1)
            except DatabaseUnavailable:
                await asyncio.sleep(0.1)
