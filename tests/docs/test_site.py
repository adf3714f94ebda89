"""`make docs` builds a site that asks no other server for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
ELSEWHERE = re.compile(r"(?:[a-z]+:)?//", re.IGNORECASE)
STYLE = re.compile(r"""(?:url\(|@import\s*)["']?((?:[a-z]+:)?//[^"')\s]+)""", re.IGNORECASE)


class Loaded(HTMLParser):
    """Addresses that a browser loads by itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = STYLE.findall(html)
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("rel") != "canonical" and (address := values.get(LOADED.get(tag, ""))):
            self.addresses.append(address)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    found = [address for page in site.rglob("*.html") for address in Loaded(page.read_text()).addresses]
    found += [address for sheet in site.rglob("*.css") for address in STYLE.findall(sheet.read_text())]
    assert len(found) > 100
    assert not [address for address in found if ELSEWHERE.match(address)]


def test_diagrams_are_pictures_in_the_page(site: Path) -> None:
    architecture = (site / "explanation/architecture.html").read_text()
    assert architecture.count('<div class="diagram"><svg') == 2
    assert "mermaid</code>" not in architecture


def test_every_page_is_in_the_navigation(site: Path) -> None:
    index = (site / "index.html").read_text()
    pages = [page.relative_to(site).as_posix() for page in site.rglob("*.html") if page.name != "404.html"]
    assert not [page for page in pages if page not in index and page != "notebook/index.html"]
