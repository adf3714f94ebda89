"""The version has one place, `shared.__version__`. Files that cannot read it must agree with it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gateway.application import create_app
from gateway.settings import GatewaySettings
from shared import __version__
from shared.database.settings import DatabaseSettings

ROOT = Path(__file__).parents[2]


def test_the_distribution_reads_the_version_of_the_code() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["dynamic"] == ["version"]
    assert pyproject["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "shared.__version__"}


def citation(text: str) -> list[str]:
    return [yaml.safe_load(text)["version"]]


def matches(pattern: str) -> Callable[[str], list[str]]:
    return lambda text: re.findall(pattern, text, re.MULTILINE)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("CITATION.cff", citation),
        ("CHANGELOG.md", lambda text: matches(r"^## \[(\d+\.\d+\.\d+)\]")(text)[:1]),
        ("Dockerfile", matches(r"^ARG VERSION=(\S+)$")),
        ("deploy/kubernetes/overlays/production/kustomization.yaml", matches(r"newTag: ([\w.]+)")),
    ],
)
def test_files_that_name_the_version_agree(path: str, found: Callable[[str], list[str]]) -> None:
    assert set(found((ROOT / path).read_text(encoding="utf-8"))) == {__version__}


def test_documents_deploy_the_version_of_the_code() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md")]
    assert {version for page in pages for version in re.findall(r"VERSION=(\d+\.\d+\.\d+)", page)} <= {__version__}


def test_openapi_names_the_version_of_the_code(database_settings: DatabaseSettings) -> None:
    assert create_app(GatewaySettings(), database_settings).openapi()["info"]["version"] == __version__
