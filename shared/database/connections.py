"""A pool of connections in which every outage is one error: DatabaseUnavailable, never an empty result."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from shared.database.schema import SCHEMA_VERSION
from shared.database.settings import DatabaseSettings
from shared.errors import DatabaseUnavailable

ACQUIRE_S = 2.0
STATEMENT_MS = 5000
OUTAGES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedObject,
    PoolClosed,
    PoolTimeout,
    TooManyRequests,
)
Connection = psycopg.AsyncConnection[TupleRow]


class Database:
    """Hands out connections; reconnects by itself after an outage."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            settings.url,
            min_size=1,
            max_size=settings.database_connections,
            open=False,
            timeout=ACQUIRE_S,
            max_waiting=256,
            reconnect_timeout=1.0,
            configure=_configure,
            check=AsyncConnectionPool.check_connection,
            kwargs={"connect_timeout": 2, "options": f"-c statement_timeout={STATEMENT_MS}"},
        )

    async def open(self) -> None:
        """Start connecting; returns at once, so that a service can say that it is not ready."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction: committed at the end, rolled back where an exception leaves the block."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except OUTAGES:
            raise DatabaseUnavailable from None

    async def fetch(self, query: str, parameters: Any = None) -> list[TupleRow]:
        """All rows of one statement, in a transaction of its own."""
        async with self.connection() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def ping(self) -> None:
        """Return where the database answers and has this version's schema; raise DatabaseUnavailable otherwise."""
        rows = await self.fetch("SELECT version_num FROM alembic_version")
        if not rows or rows[0][0] < SCHEMA_VERSION:
            raise DatabaseUnavailable("The database has an older schema. Run `python -m shared.database migrate`.")


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A database that is closed at the end of the block."""
    database = Database(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _configure(connection: Connection) -> None:
    try:
        await register_vector_async(connection)
    except psycopg.ProgrammingError as error:  # not migrated yet: to be retried, as an outage is
        raise psycopg.OperationalError("the extension vector is missing") from error
    await connection.commit()
