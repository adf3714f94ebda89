"""What a caller may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """The scopes of API.md; none implies another."""

    IDENTIFY = "identify"
    VERIFY = "verify"
    ENROL = "enrol"
    ERASE = "erase"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller whose credential was checked; `caller_id` is the key's id or the JWT's subject."""

    caller_id: str
    scopes: frozenset[Scope]


def known_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """The scopes among `names`; what another issuer or another version calls a scope grants nothing."""
    granted = set(names)
    return frozenset(scope for scope in Scope if scope.value in granted)
