"""The documents for readers, and the code in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
SHELL = {"sh", "console", "bash", "shell"}
MARK = "<!-- not run:"


def pages() -> list[Path]:
    """Every document for readers; the notebook is history."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "samples" / "README.md"]
    return sorted(page for page in found if "notebook" not in page.parts and page.name != "CHANGELOG.md")


@dataclass(frozen=True)
class Fence:
    """One fenced block: its language, its text, the reason why no test runs it, and the JSON that follows it."""

    language: str
    text: str
    reason: str | None
    answer: str | None


def fences(page: Path) -> Iterator[Fence]:
    """Every fenced block of a page, in order."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(page.read_text(encoding="utf-8"))
    blocks = [token for token in tokens if token.type in {"fence", "html_block", "paragraph_open", "heading_open"}]
    for before, token in pairwise([Token("", "", 0), *blocks]):
        if token.type == "fence":
            after = blocks[blocks.index(token) + 1 :][:1]
            marked = before.type == "html_block" and before.content.strip().startswith(MARK)
            yield Fence(
                token.info.strip(),
                token.content,
                before.content.strip().removeprefix(MARK).partition("-->")[0].strip() if marked else None,
                after[0].content if after and after[0].type == "fence" and after[0].info == "json" else None,
            )
