"""Check that links, paths and `make` targets in documents exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deploy.checks.finding import Finding

DOCUMENTS = ("*.md", "docs/**/*.md", ".github/*.md", "samples/*.md", "*-service/*.md", "tests/**/*.md")
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
TARGET = re.compile(r"(?:^|[\s;&])make ([a-z][a-z-]*)", re.MULTILINE)
MADE = frozenset({".bench", ".run", ".venv"})
"""Folders of state and results. Their content depends on earlier commands."""


def check(repository: Path) -> Iterator[Finding]:
    """Yield the findings of every document."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (repository / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for pattern in DOCUMENTS:
        for path in sorted(repository.glob(pattern)):
            for line, message in _problems(path, repository, targets):
                yield Finding(path.relative_to(repository), line, message)


def _problems(path: Path, repository: Path, targets: set[str]) -> Iterator[tuple[int, str]]:
    for line, token in _tokens(path):
        if token.type == "link_open" and not OUTSIDE.match(link := str(token.attrGet("href"))):
            if not _resolves(path, link):
                yield line, f"the link {link} leads nowhere"
        elif token.type in {"fence", "code_inline"}:
            for target in TARGET.findall(token.content):
                if target not in targets:
                    yield line, f"there is no `make {target}`"
            if token.type == "code_inline" and not _exists(repository, token.content):
                yield line, f"there is no {token.content}"


def _exists(repository: Path, text: str) -> bool:
    """Return False if the text looks like a path below a folder of the tree, and that path does not exist."""
    first, _, rest = text.partition("/")
    if not rest or first in MADE or not PATH.fullmatch(text) or not (repository / first).is_dir():
        return True
    return any(repository.glob(text.rstrip("/")))


def _resolves(document: Path, link: str) -> bool:
    target, _, anchor = link.partition("#")
    path = (document.parent / target).resolve() if target else document
    return path.exists() and (not anchor or path.suffix != ".md" or anchor in _anchors(path))


@cache
def _anchors(path: Path) -> frozenset[str]:
    """Return the anchors of all headings, as code hosting sites spell them."""
    tokens = [token for _, token in _tokens(path)]
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles)


def _tokens(path: Path) -> Iterator[tuple[int, Token]]:
    """Yield blocks and the tokens inside them, with line numbers."""
    for block in MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text(encoding="utf-8")):
        line = block.map[0] + 1 if block.map else 1
        yield line, block
        yield from ((line, child) for child in block.children or ())
