from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from pydantic import ValidationError

from shared.database import migrate as migrate_module
from shared.database import pool
from shared.database.__main__ import main
from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate
from shared.database.pool import SCHEMA_VERSION, Database, open_database
from shared.database.settings import DatabaseSettings
from shared.errors import DatabaseUnavailable


@pytest.fixture
def empty_url(postgres: EmbeddedServer) -> Iterator[str]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    yield postgres.url.replace("/postgres?", "/fresh?")
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE fresh WITH (FORCE)")


def settings(url: str) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"database_url": url})


def test_the_url_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("postgresql://db/medreid\n")
    assert DatabaseSettings(database_url_file=tmp_path / "secret").url == "postgresql://db/medreid"


def test_without_a_url_the_settings_say_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDREID_DATABASE_URL", raising=False)
    with pytest.raises(ValidationError, match="set MEDREID_DATABASE_URL"):
        DatabaseSettings()


async def test_what_is_asked_together_is_one_transaction(database: Database) -> None:
    async def begin_and_fail() -> None:
        async with database.unit_of_work():
            await database.fetch("INSERT INTO patients (patient_id) VALUES ('P-1')")
            async with database.connection() as connection:
                await connection.execute("INSERT INTO patients (patient_id) VALUES ('P-2')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await begin_and_fail()
    assert await database.fetch("SELECT 1 FROM patients") == []
    async with database.unit_of_work():
        await database.fetch("INSERT INTO patients (patient_id) VALUES ('P-3')")
    assert await database.fetch("SELECT patient_id FROM patients") == [("P-3",)]


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(settings("postgresql://user:secret@db/medreid"))


def test_migrating_at_once_and_again_is_harmless(empty_url: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, [empty_url] * 3))
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA_VERSION,)]


def test_the_newest_migration_is_the_version_in_the_code() -> None:
    versions = Path(migrate_module.__file__).parent / "migrations" / "versions"
    newest = max(path.name for path in versions.glob("[0-9]*.py"))
    assert newest.startswith(SCHEMA_VERSION)


def test_the_command_migrates(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDREID_DATABASE_URL", empty_url)
    assert main(["migrate"]) == 0
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT count(*) FROM patients").fetchone() == (0,)


def test_the_command_says_in_one_sentence_that_nobody_answers(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEDREID_DATABASE_URL", f"postgresql:///postgres?host={server_folder}/nowhere")
    assert main(["migrate"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("extensions", [[], ["vector"]])
async def test_a_database_without_schema_is_unavailable_not_empty(empty_url: str, extensions: list[str]) -> None:
    with psycopg.connect(empty_url) as connection:
        for extension in extensions:
            connection.execute(f"CREATE EXTENSION {extension}".encode())
    async with open_database(settings(empty_url)) as database:
        with pytest.raises(DatabaseUnavailable, match=r"shared\.database migrate"):
            await database.ping()


async def test_once_migrated_it_is_used_without_a_restart(empty_url: str) -> None:
    async with open_database(settings(empty_url)) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.ping()
        await asyncio.to_thread(migrate, empty_url)
        async with asyncio.timeout(20):
            while True:
                with suppress(DatabaseUnavailable):
                    await database.ping()
                    break


async def test_all_connections_taken_is_unavailable_for_a_moment(database_url: str) -> None:
    one = DatabaseSettings.model_validate({"database_url": database_url, "database_connections": 1})
    async with open_database(one) as database:
        async with database.connection():
            with pytest.raises(DatabaseUnavailable):
                await database.ping()
        await database.ping()


async def test_a_closed_database_is_unavailable(database_settings: DatabaseSettings) -> None:
    async with open_database(database_settings) as database:
        await database.ping()
    with pytest.raises(DatabaseUnavailable):
        await database.ping()


async def test_a_transaction_that_the_server_forgets_is_cut(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "TRANSACTION_S", 0.2)
    with pytest.raises(DatabaseUnavailable):
        await database.fetch("SELECT pg_sleep(3)")
    await database.ping()


@pytest.mark.parametrize("column", ["patient_id", "image_id"])
async def test_identifiers_sort_by_their_bytes_wherever_they_are(database: Database, column: str) -> None:
    rows = await database.fetch(
        "SELECT DISTINCT collation_name FROM information_schema.columns WHERE column_name = %s", [column]
    )
    assert rows == [("C",)]


async def test_an_older_schema_is_named_with_what_to_do(database: Database) -> None:
    await database.fetch("UPDATE alembic_version SET version_num = '0000'")
    try:
        with pytest.raises(DatabaseUnavailable, match=r"shared\.database migrate"):
            await database.ping()
    finally:
        await database.fetch("UPDATE alembic_version SET version_num = %s", [SCHEMA_VERSION])
    await database.ping()


async def test_a_failing_block_is_rolled_back(database: Database) -> None:
    async def fail_half_way() -> None:
        async with database.connection() as connection:
            await connection.execute("INSERT INTO patients (patient_id) VALUES ('P-1')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_half_way()
    assert await database.fetch("SELECT 1 FROM patients") == []


async def test_a_statement_that_takes_too_long_is_an_outage(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("SET statement_timeout = 50")
        with pytest.raises(psycopg.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(1)")
    with pytest.raises(DatabaseUnavailable):
        await database.fetch("SET statement_timeout = 50; SELECT pg_sleep(1)")
