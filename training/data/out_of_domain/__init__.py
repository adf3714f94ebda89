"""Out-of-domain images, which COMPA must refuse: families that are generated, mixed from modalities, or collected.

A family can be held out of training, so that validation measures how well unknown images are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.data.out_of_domain import composites, instruments, printed_pages, textures
from training.data.out_of_domain.canvas import SIDE, Image
from training.data.out_of_domain.collections import cropped

__all__ = ["GENERATED", "MIXED", "SIDE", "Image", "OutOfDomainImages"]

Generator = Callable[[np.random.Generator], Image]
Mixer = Callable[[Image, Image, np.random.Generator], Image]

# Order and names are part of the training: families are drawn by number, and held out by name.
GENERATED: Mapping[str, Generator] = {
    function.__name__: function
    for functions in (textures.FAMILIES, printed_pages.FAMILIES, instruments.FAMILIES)
    for function in functions
}
MIXED: Mapping[str, Mixer] = {
    function.__name__: function
    for function in (composites.shuffled, composites.side_by_side, composites.quarters, composites.on_a_page)
}
SHARES = {"generated": 0.4, "mixed": 0.15, "collected": 0.45}
"""Probability of each kind. Within a kind all families are equally likely."""
VALIDATION_EVERY = 7
"""Every seventh image of a large collection is for validation only."""
LARGE = 14
"""Images of a collection that is divided so."""


@dataclass(frozen=True)
class OutOfDomainImages:
    """All families by name. `collected` holds images of any size, uint8 (h, w, 3) RGB."""

    collected: Mapping[str, Sequence[Image]]

    def kinds(self, *, without: frozenset[str] = frozenset()) -> dict[str, list[str]]:
        """Return the names of the families by kind, without some. A kind without families is left out."""
        kinds = {"generated": GENERATED, "mixed": MIXED, "collected": self.collected}
        named = {kind: [name for name in families if name not in without] for kind, families in kinds.items()}
        return {kind: names for kind, names in named.items() if names}

    def names(self) -> list[str]:
        """Return the name of every family."""
        return [name for names in self.kinds().values() for name in names]

    def choose(self, rng: np.random.Generator, *, without: frozenset[str] = frozenset()) -> str:
        """Draw a family, with the `SHARES` of the kinds."""
        kinds = self.kinds(without=without)
        shares = np.array([SHARES[kind] for kind in kinds])
        names = kinds[list(kinds)[int(rng.choice(len(kinds), p=shares / shares.sum()))]]
        return names[int(rng.integers(len(names)))]

    def draw(
        self, family: str, first: Image, second: Image, rng: np.random.Generator, *, validation: bool = False
    ) -> Image:
        """Return one image of a family, about 256 pixels a side. Some mix `first` and `second`, of two modalities."""
        if family in GENERATED:
            return GENERATED[family](rng)
        if family in MIXED:
            return MIXED[family](first, second, rng)
        pictures = self.collected[family]
        if len(pictures) >= LARGE:
            pictures = [p for i, p in enumerate(pictures) if (i % VALIDATION_EVERY == 0) == validation]
        return cropped(pictures[int(rng.integers(len(pictures)))], rng)
