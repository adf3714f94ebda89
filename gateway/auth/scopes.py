"""What a caller may do."""

from __future__ import annotations

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
