"""Scopes: what a caller may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a key allows. No scope includes another."""

    IDENTIFY = "identify"
    VERIFY = "verify"
    ENROL = "enrol"
    ERASE = "erase"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller with a valid credential. `caller_id` is the id of the key, or `jwt:` and the subject of the JWT."""

    caller_id: str
    scopes: frozenset[Scope]


def known_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes among `names`; unknown names grant nothing."""
    granted = set(names)
    return frozenset(scope for scope in Scope if scope.value in granted)
