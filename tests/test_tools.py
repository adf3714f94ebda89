"""A missing tool skips a test, except in CI."""

from __future__ import annotations

import pytest

from tests.tools import REQUIRED, program


def test_a_tool_is_found_by_any_of_its_names() -> None:
    assert program("no-such-program", "sh").endswith("/sh")


@pytest.mark.parametrize(("value", "ending"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)])
def test_a_missing_tool_skips_unless_all_are_required(
    monkeypatch: pytest.MonkeyPatch, value: str, ending: type[BaseException]
) -> None:
    monkeypatch.setenv(REQUIRED, value)
    with pytest.raises(ending, match="needs no-such-program on the PATH"):
        program("no-such-program", hint="Try this")
