"""Callers whose credential was checked a moment ago."""

from __future__ import annotations

import time

from gateway.auth.keys import hash_key
from gateway.auth.scopes import Caller

REMEMBERED_S = 5.0
"""How long a checked credential is not checked again; also how long a revoked key may still work."""
REMEMBERED_CALLERS = 4096


class RememberedCallers:
    """Callers by the hash of their credential, which itself is nowhere."""

    def __init__(self) -> None:
        self._callers: dict[bytes, tuple[float, Caller]] = {}

    def find(self, token: str) -> Caller | None:
        """Who was found behind this bearer token, where that is not too long ago."""
        until, caller = self._callers.get(hash_key(token), (0.0, None))
        return caller if time.monotonic() < until else None

    def keep(self, token: str, caller: Caller, seconds: float = REMEMBERED_S) -> None:
        """Remember the caller, for so long at the most."""
        if len(self._callers) >= REMEMBERED_CALLERS:
            self._callers.clear()
        self._callers[hash_key(token)] = (time.monotonic() + min(seconds, REMEMBERED_S), caller)

    def drop(self, token: str) -> None:
        """Forget whose token it was: it is worth nothing any more."""
        self._callers.pop(hash_key(token), None)

    def known(self, token: str) -> Caller | None:
        """Who was found behind this bearer token when it was last checked, however long ago; it grants nothing."""
        return self._callers.get(hash_key(token), (0.0, None))[1]
