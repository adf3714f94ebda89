"""Sub-types within a modality, where the manifest's words tell them: the sequence of an MRI, the side of an eye."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.labelled_images import Drawn

Patterns = Mapping[str, Mapping[str, str]]
"""By modality, by sub-type: a regular expression searched in "source: acquisition"."""


def subtype_targets(drawn: Sequence[Drawn], labels: Sequence[str], patterns: Patterns) -> NDArray[np.intp]:
    """Int (n, modalities with sub-types): the number of the sub-type within its modality, -1 where it is not known.

    It is known of upright pictures of the modality alone: a turned eye has no side.
    """
    return np.array([[_number(picture, labels, *item) for item in patterns.items()] for picture in drawn], np.intp)


def _number(picture: Drawn, labels: Sequence[str], modality: str, of_modality: Mapping[str, str]) -> int:
    if not picture.upright or labels[picture.label] != modality:
        return -1
    return subtype_number(picture.source, picture.acquisition, of_modality)


def subtype_number(source: str, acquisition: str, of_modality: Mapping[str, str]) -> int:
    """The first sub-type whose pattern is in "source: acquisition"; -1 where none is."""
    words = f"{source}: {acquisition}"
    return next((i for i, pattern in enumerate(of_modality.values()) if re.search(pattern, words)), -1)
