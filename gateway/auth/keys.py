"""API keys: random, shown once, stored hashed."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.auth.scopes import Caller, Scope, known_scopes
from shared.database.pool import Database
from shared.errors import NotFound
from shared.ulid import new_ulid

PREFIX = "mrid_"
RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key in a list; the key itself is nowhere."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def state(self) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= datetime.now(UTC) else "active"


def hash_key(key: str) -> bytes:
    """SHA-256 of a key. A fast hash is right: 256 random bits cannot be guessed, however fast guesses are checked."""
    return hashlib.sha256(key.encode()).digest()


class KeyRepository:
    """The table `api_keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, scopes: Iterable[Scope], expires_at: datetime | None = None) -> str:
        """Make a key and return it: the only time that it is known."""
        key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        await self._database.fetch(
            "INSERT INTO api_keys (key_id, name, hash, scopes, expires_at) VALUES (%s, %s, %s, %s, %s)",
            [new_ulid(), name, hash_key(key), sorted(scope.value for scope in scopes), expires_at],
        )
        return key

    async def find(self, hashed: bytes) -> Caller | None:
        """Who holds the key with this hash, or None where it is unknown, expired or revoked.

        The comparison is the index's: what its time tells is about hashes, and says nothing of a key.
        """
        rows = await self._database.fetch(
            "SELECT key_id, scopes FROM api_keys"
            " WHERE hash = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
            [hashed],
        )
        return Caller(rows[0][0], known_scopes(rows[0][1])) if rows else None

    async def list(self) -> list[KeyLine]:
        """All keys, oldest first."""
        rows = await self._database.fetch(
            "SELECT key_id, name, scopes, created_at, expires_at, revoked_at FROM api_keys ORDER BY key_id"
        )
        return [KeyLine(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows]

    async def revoke(self, key_id: str) -> None:
        """End a key; takes effect within the authenticator's memory."""
        rows = await self._database.fetch(
            "UPDATE api_keys SET revoked_at = now() WHERE key_id = %s AND revoked_at IS NULL RETURNING key_id", [key_id]
        )
        if not rows:
            raise NotFound(
                "There is no such key, or it is revoked already. `python -m gateway.auth list` shows all keys."
            )
