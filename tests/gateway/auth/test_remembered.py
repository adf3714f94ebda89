"""Callers whose credential was checked a moment ago."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from gateway.auth import remembered
from gateway.auth.keys import hash_key
from gateway.auth.remembered import RememberedCallers
from gateway.auth.scopes import Caller

WARD = Caller("ward 3", frozenset())


def whose(callers: RememberedCallers, authorization: str | None) -> str:
    return callers.whose(Headers({} if authorization is None else {"authorization": authorization}))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "REMEMBERED_CALLERS", 2)
    callers = RememberedCallers()
    for token in "abc":
        callers.keep(token, WARD)
    assert [callers.find(token) for token in "abc"] == [None, None, WARD]


def test_tokens_are_remembered_as_hashes_only() -> None:
    callers = RememberedCallers()
    callers.keep("mrid_secret", WARD)
    assert list(callers._callers) == [hash_key("mrid_secret")]


def test_a_caller_is_remembered_no_longer_than_said() -> None:
    callers = RememberedCallers()
    callers.keep("token", WARD, seconds=0.0)
    assert callers.find("token") is None


@pytest.mark.parametrize(
    ("authorization", "who"),
    [
        ("Bearer token", "ward 3"),
        ("bearer token", "ward 3"),
        ("Basic token", ""),
        ("Bearer another", ""),
        ("token", ""),
        (None, ""),
    ],
)
def test_a_request_is_of_whom_its_token_was_when_it_was_checked(authorization: str | None, who: str) -> None:
    callers = RememberedCallers()
    callers.keep("token", WARD, seconds=0.0)  # it need not be valid any more
    assert whose(callers, authorization) == who


def test_a_token_that_is_worth_nothing_is_nobodys() -> None:
    callers = RememberedCallers()
    callers.keep("token", WARD)
    callers.drop("token")
    assert whose(callers, "Bearer token") == ""
