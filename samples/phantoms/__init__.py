"""Phantoms: generated pictures that look like a modality and show no person.

Each modality's module has `draw(seed, size=288) -> uint8 (size, size, 3), RGB`. A seed at one size is a patient; at
another size the same seed is another patient. Nothing is fitted to particular pictures: shapes, colours and tissue
values are textbook ones with a spread. No training set may ever hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from samples.phantoms import ct, fundus, mri, skin, xray
from samples.phantoms.texture import Picture

DRAW: Final[Mapping[str, Callable[[int, int], Picture]]] = MappingProxyType(
    {"ct": ct.draw, "mri": mri.draw, "fundus": fundus.draw, "skin": skin.draw, "xray": xray.draw}
)
"""Drawing function (seed, size) by the name of the modality."""

__all__ = ["DRAW", "Picture"]
