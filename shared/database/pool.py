"""The pool of database connections. Every outage is DatabaseUnavailable, never an empty result."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from shared.database.settings import DatabaseSettings
from shared.errors import DatabaseUnavailable

SCHEMA_VERSION: Final = "0002"
"""Revision of the newest migration. Revisions have four digits, so that they compare as text."""
ACQUIRE_S = 2.0
CHECK_S = 2.0
UNCHECKED_S = 1.0
"""Seconds after its last use in which a connection is not checked: a check costs as much as a small query."""
STATEMENT_MS = 5000
TRANSACTION_S = 8.0
"""Seconds until a connection is cut off. Longer than STATEMENT_MS, so only a frozen server is cut off."""
NOT_MIGRATED = "The database lacks this version's schema. Run `python -m shared.database migrate`."
OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, PoolClosed, PoolTimeout, TooManyRequests)
Connection = psycopg.AsyncConnection[TupleRow]


class Database:
    """Provide connections from a pool, which reconnects by itself after an outage."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self._migrated = True  # until a connection says otherwise
        self._common: ContextVar[Connection | None] = ContextVar("common connection", default=None)
        self._used: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            settings.url,
            min_size=1,
            max_size=settings.database_connections,
            open=False,
            timeout=ACQUIRE_S,
            max_waiting=256,
            reconnect_timeout=1.0,
            configure=self._configure,
            check=self._check,
            kwargs={
                "autocommit": True,
                "connect_timeout": 2,
                "options": " ".join(f"-c {option}" for option in _options(settings)),
            },
        )

    async def open(self) -> None:
        """Start connecting and return at once, so that a service can report that it is not ready."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """Yield a connection in autocommit mode, which saves the round trips of BEGIN and COMMIT.

        Inside `unit_of_work` it is the connection of that transaction.
        """
        if (common := self._common.get()) is not None:
            yield common
            return
        try:
            async with self._pool.connection() as connection:
                with _cut_after(TRANSACTION_S, connection):
                    yield connection
                self._used[connection] = time.monotonic()
        except OUTAGES:
            raise DatabaseUnavailable(None if self._migrated else NOT_MIGRATED) from None
        except psycopg.errors.UndefinedTable:
            raise DatabaseUnavailable(NOT_MIGRATED) from None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction: committed at the end, rolled back if the block raises."""
        async with self.session() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[None]:
        """Run all database calls of this task inside the block as one transaction, whichever object makes them."""
        async with self.connection() as connection:
            token = self._common.set(connection)
            try:
                yield
            finally:
                self._common.reset(token)

    async def fetch(self, query: str, parameters: Any = None) -> list[TupleRow]:
        """Return all rows of one statement, run in its own transaction."""
        async with self.session() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def ping(self) -> None:
        """Raise DatabaseUnavailable unless the database answers and has this version's schema."""
        rows = await self.fetch("SELECT version_num FROM alembic_version")
        if not rows or rows[0][0] < SCHEMA_VERSION:
            raise DatabaseUnavailable(NOT_MIGRATED)

    async def _configure(self, connection: Connection) -> None:
        """Register the vector type on a new connection. If the type is missing, the pool retries as after an outage."""
        try:
            await register_vector_async(connection)
        except psycopg.ProgrammingError as error:
            self._migrated = False
            await connection.close()  # the pool drops a closed connection
            raise psycopg.OperationalError(NOT_MIGRATED) from error
        self._migrated = True

    async def _check(self, connection: Connection) -> None:
        """Raise if a pooled connection is dead."""
        if time.monotonic() - self._used.get(connection, -UNCHECKED_S) < UNCHECKED_S:
            return
        with _cut_after(CHECK_S, connection):
            await AsyncConnectionPool.check_connection(connection)


def _options(settings: DatabaseSettings) -> Iterator[str]:
    """Yield the server options of every session."""
    yield f"statement_timeout={STATEMENT_MS}"
    # Just-in-time compilation and parallel workers cost more time than any of these statements takes.
    yield "jit=off"
    yield "max_parallel_workers_per_gather=0"
    # `gallery_exact_up_to` decides when a search scans. The planner overestimates the cost of the index.
    yield "enable_seqscan=off"
    yield f"hnsw.ef_search={settings.gallery_ef_search}"
    # Lets the index return more than ef_search images. The search sorts them itself.
    yield "hnsw.iterative_scan=relaxed_order"


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Yield a database that is closed at the end of the block."""
    database = Database(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def _cut_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Shut the connection's socket down unless the block ends in time, so that the waiting caller gets an error.

    A frozen server, or a network that drops packets, closes nothing. psycopg would then wait for ever, and ten seconds
    more if cancelled.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    with (
        suppress(OSError, psycopg.Error),  # closed meanwhile
        # shutdown works on any socket; the address family given here does not matter
        socket.socket(socket.AF_UNIX, fileno=os.dup(connection.fileno())) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)
