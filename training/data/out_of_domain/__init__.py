"""Foreign pictures, what COMPA must refuse: families that are generated, mixed from the modalities, or collected.

A family can be held out of training, so that validation says how well what was never seen is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.data.out_of_domain import composites, instruments, printed_pages, textures
from training.data.out_of_domain.canvas import SIDE, Image
from training.data.out_of_domain.collections import cropped

__all__ = ["GENERATED", "MIXED", "SIDE", "ForeignPictures", "Image"]

Generator = Callable[[np.random.Generator], Image]
Mixer = Callable[[Image, Image, np.random.Generator], Image]

GENERATED: Mapping[str, Generator] = {
    function.__name__: function
    for function in (
        *(
            textures.blank,
            textures.gradient,
            textures.blocks,
            textures.spectrum,
            textures.stripes,
            textures.fractal,
            textures.terrain,
        ),
        *(
            textures.landscape,
            textures.tiling,
            printed_pages.page,
            printed_pages.form,
            printed_pages.chart,
            printed_pages.screen,
            printed_pages.bar_code,
        ),
        *(
            printed_pages.traces,
            printed_pages.spectrogram,
            printed_pages.icon,
            instruments.stained_tissue,
            instruments.smear,
            instruments.fluorescence,
        ),
        *(
            instruments.electron_microscopy,
            instruments.ultrasound,
            instruments.coherence_tomography,
            instruments.endoscopy,
        ),
        instruments.heat_map,
    )
}
MIXED: Mapping[str, Mixer] = {
    function.__name__: function
    for function in (composites.shuffled, composites.side_by_side, composites.quarters, composites.on_a_page)
}
SHARES = {"generated": 0.4, "mixed": 0.15, "collected": 0.45}
"""How often each kind is drawn; within a kind every family equally often."""

VALIDATION_EACH = 7
DIVIDED_FROM = 14


@dataclass(frozen=True)
class ForeignPictures:
    """Families by name; `collected` holds pictures of any size."""

    collected: Mapping[str, Sequence[Image]]

    def kinds(self, *, without: frozenset[str] = frozenset()) -> dict[str, list[str]]:
        """Names of the families by kind, less some; a kind without a family is left out."""
        kinds = {"generated": GENERATED, "mixed": MIXED, "collected": self.collected}
        named = {kind: [name for name in families if name not in without] for kind, families in kinds.items()}
        return {kind: names for kind, names in named.items() if names}

    def names(self) -> list[str]:
        """Every family."""
        return [name for names in self.kinds().values() for name in names]

    def choose(self, rng: np.random.Generator, *, without: frozenset[str] = frozenset()) -> str:
        """Any family, with the `SHARES` of the kinds."""
        kinds = self.kinds(without=without)
        shares = np.array([SHARES[kind] for kind in kinds])
        names = kinds[list(kinds)[int(rng.choice(len(kinds), p=shares / shares.sum()))]]
        return names[int(rng.integers(len(names)))]

    def draw(
        self, family: str, first: Image, second: Image, rng: np.random.Generator, *, validation: bool = False
    ) -> Image:
        """One picture of a family, about 256 pixels a side; `first` and `second` are of two modalities, to be mixed.

        Of a collection that is large enough, every seventh picture is for validation alone.
        """
        if family in GENERATED:
            return GENERATED[family](rng)
        if family in MIXED:
            return MIXED[family](first, second, rng)
        pictures = self.collected[family]
        if len(pictures) >= DIVIDED_FROM:
            pictures = [p for i, p in enumerate(pictures) if (i % VALIDATION_EACH == 0) == validation]
        return cropped(pictures[int(rng.integers(len(pictures)))], rng)
