"""Update the database schema. Any number of processes may do it at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from shared.errors import DatabaseUnavailable

CONNECT_S = 10
LOCK = 0x6D656472
"""Key of the advisory lock ("medr"): one process migrates, the others wait and then have nothing to do."""


def migrate(url: str) -> None:
    """Run all missing migrations on the database at `url` (any form that libpq accepts).

    Raises `shared.errors.DatabaseUnavailable` if it cannot be reached. A failing migration changes nothing.
    """
    config = Config()
    scripts = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", scripts.replace("%", "%%"))  # ConfigParser interpolates
    with _connection(url) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})
        connection.commit()


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url, connect_timeout=CONNECT_S), poolclass=NullPool
    )
    try:
        connection = engine.connect()
    except OperationalError:
        raise DatabaseUnavailable(
            "The database cannot be reached. Check that it runs, and MEDREID_DATABASE_URL."
        ) from None
    with connection:
        yield connection
    engine.dispose()
