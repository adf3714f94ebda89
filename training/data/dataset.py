"""The images of one network: which bundle they come from, and which of them train and which validate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.images.recipes import Recipe, build_recipe
from shared.modalities import Modality
from training.configuration import IdentifierConfiguration
from training.data.bundle_manifest import Row
from training.data.images import CACHE_SIDE, Pictures, load_pictures
from training.data.splits import fold_of, is_validation, learning_rows, shortage

COMPA = "compa"


@dataclass(frozen=True)
class Bundle:
    """A folder of images with its manifest, and the folder of pretrained weights (None: random weights)."""

    root: Path
    rows: Sequence[Row]
    weights: Path | None

    def training_rows(self, name: str = COMPA) -> list[Row]:
        """Return every row of `split=train` that one modality's network, or COMPA, may use."""
        return [row for row in self.rows if row.split == "train" and name in (COMPA, row.modality)]


@dataclass(frozen=True)
class Dataset:
    """Rows with their decoded images and the recipe, and the two parts of the rows."""

    rows: Sequence[Row]
    pictures: Pictures
    recipe: Recipe
    training: Sequence[Row]
    validation: Sequence[Row]

    def by_share(self, share: float) -> Dataset:
        """Return it with about this share of the subjects as the validation part."""
        held_out = [is_validation(row.subject, share) for row in self.rows]
        return self._cut(held_out)

    def fold(self, number: int) -> Dataset:
        """Return it with one fold of the subjects as the validation part."""
        return self._cut([fold_of(row.subject) == number for row in self.rows])

    def all_training(self) -> Dataset:
        """Return it with every row in the training part."""
        return self._cut([False] * len(self.rows))

    def all_validation(self) -> Dataset:
        """Return it with every row in the validation part: people that the network has not learned from."""
        return self._cut([True] * len(self.rows))

    def _cut(self, held_out: Sequence[bool]) -> Dataset:
        pairs = list(zip(self.rows, held_out, strict=True))
        return replace(
            self, training=[row for row, out in pairs if not out], validation=[row for row, out in pairs if out]
        )


def dataset_of(rows: Sequence[Row], pictures: Pictures, recipe: Recipe, share: float) -> Dataset:
    """Return the dataset of these rows, with about this share of the subjects as the validation part."""
    return Dataset(rows, pictures, recipe, rows, ()).by_share(share)


def load_dataset(
    modality: Modality, bundle: Bundle, configuration: IdentifierConfiguration, *, validation_share: float | None = None
) -> Dataset:
    """Decode the images of a modality's network, cut by `validation_share` (None: the configuration's).

    Raises:
        ValueError: the people are too few to train and calibrate on. The message says how many there are.
    """
    rows = identifier_rows(modality.name, bundle, configuration, validation_share=validation_share)
    pictures = load_pictures(bundle.root, rows, max(CACHE_SIDE, modality.recipe.size))
    share = configuration.validation_share if validation_share is None else validation_share
    return dataset_of(rows, pictures, build_recipe(modality.recipe), share)


def identifier_rows(
    name: str, bundle: Bundle, configuration: IdentifierConfiguration, *, validation_share: float | None = None
) -> list[Row]:
    """Return the rows of a modality's network. Arguments and errors as in `load_dataset`."""
    sources, share = configuration.sources, validation_share
    if share is None and configuration.finetune:
        share = configuration.validation_share
    rows = learning_rows(bundle.rows, name, sources, configuration.instance_sources)
    if problem := shortage(rows, bundle.rows, name, sources, share):
        raise ValueError(problem)
    return rows
