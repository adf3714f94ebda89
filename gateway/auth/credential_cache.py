"""Callers whose credential was checked a moment ago."""

from __future__ import annotations

import time

from gateway.auth.keys import hash_key
from gateway.auth.scopes import Caller

VALID_S = 5.0
"""Seconds after which a credential is checked again. A revoked key works for so long at most."""
MAX_CALLERS = 4096


class CredentialCache:
    """Callers by the hash of their credential; the credential itself is not kept."""

    def __init__(self) -> None:
        self._callers: dict[bytes, tuple[float, Caller]] = {}

    def find(self, token: str) -> Caller | None:
        """Return the caller of a token if it was checked less than `VALID_S` seconds ago."""
        until, caller = self._callers.get(hash_key(token), (0.0, None))
        return caller if time.monotonic() < until else None

    def keep(self, token: str, caller: Caller, seconds: float = VALID_S) -> None:
        """Remember a caller for so many seconds, at most `VALID_S`."""
        if len(self._callers) >= MAX_CALLERS:
            self._callers.clear()
        self._callers[hash_key(token)] = (time.monotonic() + min(seconds, VALID_S), caller)

    def drop(self, token: str) -> None:
        """Forget the caller of a token that is no longer valid."""
        self._callers.pop(hash_key(token), None)

    def known(self, token: str) -> Caller | None:
        """Return the caller of a token that was valid once, however long ago; this grants no access."""
        return self._callers.get(hash_key(token), (0.0, None))[1]
