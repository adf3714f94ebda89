"""Progress without a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from deploy.local.progress import Steps


def test_without_a_terminal_every_step_is_a_line() -> None:
    output = io.StringIO()
    with Steps(Console(file=output), 2) as steps:
        for step in ("enrolling", "identifying"):
            steps.begin(step)
            steps.advance()
    assert output.getvalue().splitlines() == ["enrolling", "identifying"]
