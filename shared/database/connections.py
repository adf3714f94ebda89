"""A pool of connections in which every outage is one error: DatabaseUnavailable, never an empty result."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from shared.database.schema import SCHEMA_VERSION
from shared.database.settings import DatabaseSettings
from shared.errors import DatabaseUnavailable

ACQUIRE_S = 2.0
CHECK_S = 2.0
UNCHECKED_S = 1.0
"""How long after its last good use a connection is taken to be alive: checking costs as much as a small query."""
STATEMENT_MS = 5000
TRANSACTION_S = 8.0
"""Longer than a statement may take: only a server that no longer keeps its own time is cut off."""
NOT_MIGRATED = "The database lacks this version's schema. Run `python -m shared.database migrate`."
OUTAGES = (psycopg.OperationalError, psycopg.InterfaceError, PoolClosed, PoolTimeout, TooManyRequests)
Connection = psycopg.AsyncConnection[TupleRow]


class Database:
    """Hands out connections; reconnects by itself after an outage."""

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
        """Start connecting; returns at once, so that a service can say that it is not ready."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """A connection on which every statement is a transaction of its own: no round trips for BEGIN and COMMIT.

        In a block of `together` it is the connection of that transaction.
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
        """A connection inside a transaction: committed at the end, rolled back where an exception leaves the block."""
        async with self.session() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[None]:
        """Everything that this task asks the database in the block is one transaction, whoever asks it."""
        async with self.connection() as connection:
            token = self._common.set(connection)
            try:
                yield
            finally:
                self._common.reset(token)

    async def fetch(self, query: str, parameters: Any = None) -> list[TupleRow]:
        """All rows of one statement, in a transaction of its own."""
        async with self.session() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def ping(self) -> None:
        """Return where the database answers and has this version's schema; raise DatabaseUnavailable otherwise."""
        rows = await self.fetch("SELECT version_num FROM alembic_version")
        if not rows or rows[0][0] < SCHEMA_VERSION:
            raise DatabaseUnavailable(NOT_MIGRATED)

    async def _configure(self, connection: Connection) -> None:
        """Teach a new connection vectors; where the type is missing the pool tries again, as after an outage."""
        try:
            await register_vector_async(connection)
        except psycopg.ProgrammingError as error:
            self._migrated = False
            await connection.close()  # the pool drops it as it is
            raise psycopg.OperationalError(NOT_MIGRATED) from error
        self._migrated = True

    async def _check(self, connection: Connection) -> None:
        """Raise where a connection from the pool is dead."""
        if time.monotonic() - self._used.get(connection, -UNCHECKED_S) < UNCHECKED_S:
            return
        with _cut_after(CHECK_S, connection):
            await AsyncConnectionPool.check_connection(connection)


def _options(settings: DatabaseSettings) -> Iterator[str]:
    """What the server is told about every session."""
    yield f"statement_timeout={STATEMENT_MS}"
    # Neither compilation nor helpers: they cost more than any of these statements, and start where a gallery is only
    # fairly large.
    yield "jit=off"
    yield "max_parallel_workers_per_gather=0"
    # Whether a search scans is `gallery_exact_up_to`'s affair; the planner holds the index for dearer than it is.
    yield "enable_seqscan=off"
    yield f"hnsw.ef_search={settings.gallery_ef_search}"
    # goes on where a search asks for more than ef_search; what comes is put in order afterwards
    yield "hnsw.iterative_scan=relaxed_order"


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A database that is closed at the end of the block."""
    database = Database(settings)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def _cut_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Cut the wire unless the block ends in time, so that whoever waits for the server gets an error.

    A server that is frozen, or behind a network that swallows packets, closes nothing and cancels nothing: psycopg
    would wait for ever, and for ten seconds more when cancelled.
    """
    timer = asyncio.get_running_loop().call_later(seconds, _cut, connection)
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: Connection) -> None:
    with (
        suppress(OSError, psycopg.Error),  # closed in the meantime
        # the family, which a TCP connection's wire does not have, is of no importance to shutdown
        socket.socket(socket.AF_UNIX, fileno=os.dup(connection.fileno())) as wire,
    ):
        wire.shutdown(socket.SHUT_RDWR)
