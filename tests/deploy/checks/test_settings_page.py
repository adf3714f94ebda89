"""The page of settings says what the classes say."""

from pathlib import Path

from deploy.checks.settings_page import check, render


def test_every_setting_is_on_the_page_once() -> None:
    page = render()
    for variable in ("MEDREID_PORT", "MEDREID_COMPA_URL", "MEDREID_RUNTIME", "MEDREID_DATABASE_URL"):
        assert page.count(f"`{variable}`") == 1


def test_a_page_of_yesterday_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "settings.md").write_text("old")
    assert len(list(check(tmp_path))) == 1
    (tmp_path / "docs" / "settings.md").write_text(render())
    assert not list(check(tmp_path))
