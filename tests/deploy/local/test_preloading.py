"""Which programs go on in the supervisor's fork; what comes of it is tested on the system as it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.preloading import of_this_python
from deploy.local.processes import NAME_VARIABLE
from deploy.local.state_folder import REPOSITORY

BECOME = """
import sys
from deploy.local.preloading import PreloadedOptions
PreloadedOptions().execve(sys.executable, [sys.executable, *sys.argv[1:]], {variables})
"""


def become(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """A process that turns into `python ARGUMENTS…`, as the supervisor's forks do."""
    code = BECOME.format(variables={NAME_VARIABLE: "a name", **variables})
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)  # noqa: S603


@pytest.mark.parametrize("rest", [["a.py"], ["-m", "json.tool", "x"]])
def test_scripts_and_modules_of_this_interpreter_go_on_in_the_fork(rest: list[str]) -> None:
    assert of_this_python([sys.executable, *rest]) is not None


@pytest.mark.parametrize(
    "argv", [[], ["/bin/true"], [sys.executable], [sys.executable, "-c", "1"], ["/other/python", "a.py"]]
)
def test_everything_else_is_executed(argv: list[str]) -> None:
    assert of_this_python(argv) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere everything is executed")
def test_a_program_has_its_own_arguments_variables_signals_title_and_status(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\n"
        "print(sys.argv[1:], sorted(os.environ), signal.getsignal(signal.SIGTERM).name, __name__)\n"
        "print(open('/proc/self/cmdline').read().strip(chr(0)))\n"
        "sys.exit(3)\n"
    )
    done = become([str(script), "one"], OTHER="2")
    said, title = done.stdout.splitlines()
    assert said == f"['one'] {sorted([NAME_VARIABLE, 'OTHER'])} SIG_DFL __main__"
    assert title == "medreid: a name"
    assert done.returncode == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere everything is executed")
def test_a_program_that_breaks_says_where_and_ends_with_1(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise ValueError('broken')\n")
    done = become([str(script)])
    assert "ValueError: broken" in done.stderr
    assert done.returncode == 1
