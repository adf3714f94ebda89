"""What `make docs` does besides MkDocs: diagrams become SVG at build time, so that no page loads a script for them."""

from __future__ import annotations

from typing import Any

import mermaidx


def diagram(source: str, _language: str, class_name: str, *_: Any, **__: Any) -> str:
    """HTML of a Mermaid fence, as `pymdownx.superfences` asks for it."""
    return f'<div class="{class_name}">{mermaidx.render(source).svg()}</div>'
