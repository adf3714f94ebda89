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
    assert "identify,verify" in line
    assert "ward 3" in line
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
