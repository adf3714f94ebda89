"""What endpoints ask of a caller's credential."""

from __future__ import annotations

import pytest
from fastapi import Request
from fastapi.security import HTTPAuthorizationCredentials

from gateway.auth.authenticator import Authenticator
from gateway.auth.dependencies import any_caller, caller_id, requires
from gateway.auth.keys import KeyRepository
from gateway.auth.scopes import Caller, Scope
from gateway.settings import GatewaySettings
from shared.database.pool import Database
from shared.errors import Forbidden, Unauthenticated


async def test_the_caller_is_found_before_and_after_the_body_is_read(database: Database) -> None:
    keys = KeyRepository(database)
    key = await keys.create("ward 3", [Scope.VERIFY])
    headers = [(b"authorization", f"Bearer {key}".encode())]
    connection = {
        "type": "http",
        "headers": headers,
        "state": {"authenticator": Authenticator(keys, GatewaySettings())},
    }
    (line,) = await keys.list()
    assert await caller_id(connection) == line.key_id
    credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=key)
    assert await any_caller(Request(connection), credentials) == Caller(line.key_id, frozenset({Scope.VERIFY}))
    with pytest.raises(Unauthenticated):
        await any_caller(Request(connection), None)


async def test_one_of_the_scopes_is_enough() -> None:
    check = requires(Scope.VERIFY, Scope.ADMIN).dependency
    allowed = Caller("ward 3", frozenset({Scope.IDENTIFY, Scope.ADMIN}))
    assert await check(allowed) == allowed
    with pytest.raises(Forbidden, match="lacks the scope `verify` or `admin`"):
        await check(Caller("ward 4", frozenset({Scope.IDENTIFY})))
