from __future__ import annotations

import re

import psycopg
import pytest

from gateway.auth.__main__ import main


@pytest.fixture(autouse=True)
def _configured(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDREID_DATABASE_URL", database_url)


def test_a_key_is_printed_once_and_can_be_ended(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "--name", "ward 3", "--scope", "identify", "--scope", "verify"]) == 0
    key = capsys.readouterr().out.strip()
    assert key.startswith("mrid_")
    main(["list"])
    line = capsys.readouterr().out
    assert line.split()[1:] == ["active", "-", "identify,verify", "ward", "3"]
    assert key not in line
    assert main(["revoke", line.split()[0]]) == 0
    main(["list"])
    assert "revoked" in capsys.readouterr().out


def test_all_scopes_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", "--name", "admin", "--all-scopes"])
    main(["list"])
    assert "admin,enrol,erase,identify,verify" in capsys.readouterr().out


def test_an_unknown_key_cannot_be_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["revoke", "nothing"]) == 1
    assert "no such key" in capsys.readouterr().err


def test_a_key_may_be_made_for_some_days(capsys: pytest.CaptureFixture[str], database_url: str) -> None:
    main(["create", "--name", "study", "--scope", "identify", "--days", "30"])
    main(["list"])
    assert re.search(r"active .*\d{4}-\d\d-\d\d", capsys.readouterr().out)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE api_keys SET expires_at = now()")
    main(["list"])
    assert "expired" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["revoke"], ["create", "--name", "study"], ["create", "--scope", "identify"]])
def test_what_is_missing_is_asked_for(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)
    assert "required" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "-1", "soon"])
def test_days_that_are_none_are_refused(capsys: pytest.CaptureFixture[str], days: str) -> None:
    with pytest.raises(SystemExit):
        main(["create", "--name", "study", "--scope", "identify", "--days", days])
    assert "--days" in capsys.readouterr().err


def test_without_a_url_it_says_what_to_set(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDREID_DATABASE_URL")
    assert main(["list"]) == 1
    assert "set MEDREID_DATABASE_URL" in capsys.readouterr().err
