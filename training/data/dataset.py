"""The pictures that one network is made of, cut into those it learns from and those it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.images.recipes import Recipe
from training.data.bundle_manifest import Row
from training.data.images import Pictures
from training.data.splits import is_validation


@dataclass
class Data:
    """Rows cut into the two parts, and the recipe they go through."""

    rows: Sequence[Row]
    pictures: Pictures
    recipe: Recipe
    validation_share: float

    @property
    def fitting(self) -> list[Row]:
        """What the network learns from."""
        return [r for r in self.rows if not is_validation(r.subject, self.validation_share)]

    @property
    def validation(self) -> list[Row]:
        """What chooses the checkpoint and fits the calibration."""
        return [r for r in self.rows if is_validation(r.subject, self.validation_share)]
