"""Run a separate PostgreSQL with the settings that docs/how-to/scale.md advises for a large gallery."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate

SETTINGS = {
    "shared_buffers": "2560MB",
    "maintenance_work_mem": "2GB",
    "max_parallel_maintenance_workers": "1",  # with the one that leads: two cores
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
}


@contextmanager
def running(folder: Path) -> Iterator[EmbeddedServer]:
    """Run a migrated server on `folder`, and stop it at the end."""
    server = EmbeddedServer(folder)
    with psycopg.connect(server.url, autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
    server.stop()
    server = EmbeddedServer(folder)
    try:
        migrate(server.url)
        yield server
    finally:
        server.stop()


@dataclass(frozen=True)
class Footprint:
    """Sizes on disk in bytes."""

    table: int
    index: int
    database: int


def footprint(url: str, space: int) -> Footprint:
    """Measure the partition, its approximate index and the whole database."""
    table = f"templates_{space}"
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pg_table_size(%s), pg_relation_size(%s), pg_database_size(current_database())",
            [table, f"{table}_nearest"],
        ).fetchone()
    return Footprint(*(row or (0, 0, 0)))
