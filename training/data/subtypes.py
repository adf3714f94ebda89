"""Sub-types within a modality, told by words of the manifest: the sequence of an MRI, the side of an eye."""

from __future__ import annotations

import re
from collections.abc import Mapping

Patterns = Mapping[str, Mapping[str, str]]
"""By modality and sub-type: a regular expression, searched in "source: acquisition"."""


def subtype_number(source: str, acquisition: str, of_modality: Mapping[str, str]) -> int:
    """Return the number of the first sub-type whose pattern occurs in "source: acquisition"; -1 if none does."""
    words = f"{source}: {acquisition}"
    return next((i for i, pattern in enumerate(of_modality.values()) if re.search(pattern, words)), -1)
