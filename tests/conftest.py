"""One embedded PostgreSQL for the whole run; every test that asks for `database` finds its tables empty."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate
from shared.database.pool import Database, open_database
from shared.database.settings import DatabaseSettings
from shared.gallery.postgres import PostgresGallery

TABLES = "patients, templates, idempotency, api_keys, audit_events, erasures"


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A temporary folder for what PostgreSQL keeps.

    Not one of pytest's: each run of pytest closes their parent to other users, and as root PostgreSQL is another user.
    """
    with TemporaryDirectory(prefix="medreid-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> Iterator[EmbeddedServer]:
    """The running server."""
    server = EmbeddedServer(server_folder / "data")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a database with the current schema: a copy of that of MEDREID_TEST_SERVER if this is set.

    `make mutants` sets it, because hundreds of runs would start and stop a server of their own.
    """
    if not (template := os.environ.get("MEDREID_TEST_SERVER")):
        url = request.getfixturevalue("postgres").url
        migrate(url)
        yield url
        return
    name = f"copy_{os.getpid()}"
    with psycopg.connect(template.replace("/postgres?", "/template1?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE postgres".encode())
        yield template.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The same, its tables emptied."""
    with psycopg.connect(migrated_url) as connection:
        connection.execute(f"TRUNCATE {TABLES}".encode())
    return migrated_url


@pytest.fixture
def database_settings(database_url: str) -> DatabaseSettings:
    """Settings that point at it."""
    return DatabaseSettings.model_validate({"database_url": database_url})


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Connections to it."""
    async with open_database(database_settings) as opened:
        yield opened


@pytest.fixture
def gallery(database: Database) -> PostgresGallery:
    """The real gallery, empty."""
    return PostgresGallery(database)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parent.parent
