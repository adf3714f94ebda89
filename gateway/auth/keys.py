"""API keys: random, shown once, stored as hashes."""

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
    """One line of the list of keys. It does not contain the key."""

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
    """Return the SHA-256 of a key. A fast hash is enough, because 256 random bits cannot be guessed."""
    return hashlib.sha256(key.encode()).digest()


class KeyRepository:
    """The table `api_keys`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, name: str, scopes: Iterable[Scope], expires_at: datetime | None = None) -> str:
        """Create a key and return it. It cannot be shown again."""
        key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        await self._database.fetch(
            "INSERT INTO api_keys (key_id, name, hash, scopes, expires_at) VALUES (%s, %s, %s, %s, %s)",
            [new_ulid(), name, hash_key(key), sorted(scope.value for scope in scopes), expires_at],
        )
        return key

    async def find(self, hashed: bytes) -> Caller | None:
        """Return the caller of a key, by its hash; None if it is unknown, expired or revoked.

        The database compares hashes, so the time that it takes reveals nothing about a key.
        """
        rows = await self._database.fetch(
            "SELECT key_id, scopes FROM api_keys"
            " WHERE hash = %s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
            [hashed],
        )
        return Caller(rows[0][0], known_scopes(rows[0][1])) if rows else None

    async def list(self) -> list[KeyLine]:
        """Return all keys, oldest first."""
        rows = await self._database.fetch(
            "SELECT key_id, name, scopes, created_at, expires_at, revoked_at FROM api_keys ORDER BY key_id"
        )
        return [KeyLine(row[0], row[1], tuple(row[2]), *row[3:]) for row in rows]

    async def revoke(self, key_id: str) -> None:
        """Revoke a key; raises NotFound. Gateways accept it for 5 more seconds at most (`credential_cache`)."""
        rows = await self._database.fetch(
            "UPDATE api_keys SET revoked_at = now() WHERE key_id = %s AND revoked_at IS NULL RETURNING key_id", [key_id]
        )
        if not rows:
            raise NotFound(
                "There is no such key, or it is revoked already. `python -m gateway.auth list` shows all keys."
            )
