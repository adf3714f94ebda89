"""Documents for readers are short, and so are their sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, pages

READERS = [page for page in pages() if page == ROOT / "README.md" or "docs" in page.parts]
MOST_BYTES, MOST_WORDS = 84 * 1024, 30


def test_documents_fit_into_84_kilobytes() -> None:
    assert sum(page.stat().st_size for page in READERS) <= MOST_BYTES


@pytest.mark.parametrize("page", READERS, ids=lambda page: page.stem)
def test_no_sentence_has_more_than_30_words(page: Path) -> None:
    text = re.sub(r"```.*?```|<!--.*?-->", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    prose = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", "    ")))
    sentences = re.split(r"(?<=[.!?:])\s+|\n\s*\n|\n\s*[-*0-9]+[.)]?\s", prose)
    assert not [sentence for sentence in sentences if len(sentence.split()) > MOST_WORDS]
