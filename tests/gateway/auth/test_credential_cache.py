"""Callers whose credential was checked a moment ago."""

from __future__ import annotations

import pytest

from gateway.auth import credential_cache
from gateway.auth.credential_cache import CredentialCache
from gateway.auth.keys import hash_key
from gateway.auth.scopes import Caller

WARD = Caller("ward 3", frozenset())


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_cache, "MAX_CALLERS", 2)
    callers = CredentialCache()
    for token in "abc":
        callers.keep(token, WARD)
    assert [callers.find(token) for token in "abc"] == [None, None, WARD]


def test_tokens_are_remembered_as_hashes_only() -> None:
    callers = CredentialCache()
    callers.keep("mrid_secret", WARD)
    assert list(callers._callers) == [hash_key("mrid_secret")]


def test_a_caller_stays_known_after_the_token_must_be_checked_again() -> None:
    callers = CredentialCache()
    callers.keep("token", WARD, seconds=0.0)
    assert callers.find("token") is None
    assert (callers.known("token"), callers.known("another")) == (WARD, None)


def test_a_token_that_is_worth_nothing_is_nobodys() -> None:
    callers = CredentialCache()
    callers.keep("token", WARD)
    callers.drop("token")
    assert callers.known("token") is None
