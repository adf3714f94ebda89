"""Every command in a document is run here, or says why not: `<!-- not run: reason -->` before the block."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.system import System
from tests.docs.markdown import ROOT, SHELL, Fence, fences, pages
from tests.tools import program

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(180)]
SEPARATOR = "==== next block ===="
CURL = "curl() { command curl --silent --show-error --max-time 30 --write-out '\\n%{http_code}\\n' \"$@\"; }"
"""Prints the status on a line of its own after each answer."""


def commands(page: Path) -> list[Fence]:
    return [fence for fence in fences(page) if fence.language in SHELL and fence.reason is None]


PAGES_TO_RUN = [page for page in pages() if commands(page)]


@pytest.fixture
def patient(api: httpx.Client) -> Iterator[None]:
    """P-0007, whom the how-to guides speak of, is enrolled."""
    picture = (ROOT / "samples/images/ct/01-1.jpg").read_bytes()
    api.post("/v1/patients/P-0007/images", files={"file": picture}).raise_for_status()
    yield
    api.delete("/v1/patients/P-0007")


@pytest.mark.parametrize("page", PAGES_TO_RUN, ids=lambda page: page.stem)
@pytest.mark.usefixtures("patient")
def test_the_commands_of_a_page_do_what_it_says(page: Path, system: System) -> None:
    program("curl")
    blocks = commands(page)
    script = "\n".join([CURL, *(f"{block.text}\necho '{SEPARATOR}'" for block in blocks)])
    for there, here in {
        "http://127.0.0.1:8000": system.address,
        ".run/": f"{shlex.quote(str(system.folder.root))}/",
        ".venv/bin/python": shlex.quote(sys.executable),
    }.items():
        script = script.replace(there, here)
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    for block, output in zip(blocks, done.stdout.split(f"{SEPARATOR}\n"), strict=False):
        expected = json.loads(block.answer) if block.answer else {}
        statuses = {int(status) for status in re.findall(r"^(\d{3})$", output, re.MULTILINE)}
        assert all(status == expected.get("status", status) for status in statuses)
        assert "status" in expected or all(200 <= status < 300 for status in statuses), output
        if expected:
            assert_holds(json.loads(output.splitlines()[0]), expected)


def assert_holds(answer: Any, documented: Any, name: str = "") -> None:
    """All that is documented is in the answer; identifiers that are made anew may differ, numbers by a little."""
    if isinstance(documented, dict):
        for key, value in documented.items():
            assert_holds(answer[key], value, key)
    elif isinstance(documented, list):
        for one, other in zip(answer, documented, strict=True):
            assert_holds(one, other, name)
    elif isinstance(documented, float):
        assert answer == pytest.approx(documented, abs=0.02)
    elif isinstance(documented, str) and name.endswith("_id") and name != "patient_id":
        assert isinstance(answer, str)
    else:
        assert answer == documented, name


def test_what_is_not_run_says_why() -> None:
    reasons = [fence.reason for page in pages() for fence in fences(page) if fence.language in SHELL and fence.reason]
    assert reasons
    assert not [reason for reason in reasons if len(reason.split()) < 4]


def test_every_block_names_its_language() -> None:
    plain = [(page.name, fence.text) for page in pages() for fence in fences(page) if not fence.language]
    assert not [text for _, text in plain if re.search(r"^(make|docker|kubectl|curl|python|git) ", text, re.MULTILINE)]


def test_the_bundle_of_the_tutorial_can_be_trained_on(tmp_path: Path) -> None:
    page = ROOT / "docs/tutorials/train-your-own.md"
    [program] = [fence.text for fence in fences(page) if fence.language == "python"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program.replace("288", "96")], cwd=tmp_path, env=environment, check=True)  # noqa: S603
    check = [sys.executable, "-m", "training.data.check_bundle", "--data", "my-data/bundle"]
    done = subprocess.run(check, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    summary = next(fence.text for fence in fences(page) if fence.text.startswith("manifest.csv:"))
    assert done.stdout.startswith(summary)
