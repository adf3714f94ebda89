"""The pictures that COMPA learns from: drawn by label and source, with foreign ones as the label `other`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.images.views import standard_view
from shared.modalities.registry import OTHER
from training.data.augmentation import augment
from training.data.bundle_manifest import Row
from training.data.corruptions import MISHAPS, befallen
from training.data.images import Pictures
from training.data.out_of_domain import ForeignPictures
from training.data.splits import is_validation
from training.engine.configuration import ClassifierConfiguration

FOREIGN_SHARE = 0.4
"""Share of `other` among the pictures to learn from: it has more to cover than any modality."""
AS_THEY_ARE, GENTLE = 0.15, 0.3
"""Shares that are not changed at all, and that stay upright (sub-types such as the side of an eye need that)."""
FOREIGN_EACH = 24
"""Validation pictures of each foreign family."""
CLEAN = "as they are"

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""


@dataclass(frozen=True)
class Drawn:
    """A view, uint8 (224, 224, 3), with its label, its source or foreign family, and what happened to it."""

    view: Image
    label: int
    source: str
    acquisition: str = ""
    upright: bool = False
    mishap: str = CLEAN


@dataclass(frozen=True)
class LabelledRows:
    """Rows by label of the registry, `other` last; every modality that is not in the registry is `other`."""

    labels: tuple[str, ...]
    rows: Sequence[Row]

    def of(self, label: str, *, validation: bool, share: float) -> list[Row]:
        """The rows of one label in one part. A row without a subject is cut by its path."""
        known = self.labels[:-1]
        return [
            row
            for row in self.rows
            if (row.modality if row.modality in known else OTHER) == label
            and is_validation(row.subject or row.path, share) == validation
        ]

    def foreign_pictures(self, pictures: Pictures) -> dict[str, list[Image]]:
        """The pictures of no modality, by source: families of foreign pictures."""
        paths = {row.path: row.source for row in self.rows if row.modality not in self.labels[:-1]}
        return {source: [pictures[p] for p in paths if paths[p] == source] for source in sorted(set(paths.values()))}


class LabelledPictures:
    """Draws pictures of either part; the n-th picture to learn from is the same in every run of a seed."""

    def __init__(
        self, data: LabelledRows, pictures: Pictures, foreign: ForeignPictures, configuration: ClassifierConfiguration
    ) -> None:
        self._pictures, self._foreign, self._configuration = pictures, foreign, configuration
        self._other = len(data.labels) - 1
        share = configuration.validation_share
        self._validation = [data.of(label, validation=True, share=share) for label in data.labels[:-1]]
        self._pools = [_by_source(data.of(label, validation=False, share=share)) for label in data.labels[:-1]]
        missing = [name for name, pool in zip(data.labels, self._pools, strict=False) if not pool]
        if missing:
            raise ValueError(f"the manifest has no pictures to learn {', '.join(missing)} from (split train)")

    def training(self, index: int) -> Drawn:
        """The picture to learn from with this number."""
        rng = np.random.default_rng((self._configuration.seed, index))
        if rng.random() < FOREIGN_SHARE:
            family = self._foreign.choose(rng, without=frozenset(self._configuration.held_out))
            return self._changed(self._drawn_foreign(family, rng, self._pools), self._other, family, "", rng)
        label = int(rng.integers(self._other))
        row = _any_row(self._pools[label], rng)
        return self._changed(self._pictures[row.path], label, row.source, row.acquisition, rng)

    def validation(self) -> Iterator[Drawn]:
        """Every picture of the validation subjects, as it is and after each mishap; foreign ones of every family."""
        rng = np.random.default_rng(self._configuration.seed)
        for label, rows in enumerate(self._validation):
            for row in rows:
                drawn = Drawn(standard_view(self._pictures[row.path]), label, row.source, row.acquisition, upright=True)
                yield drawn
                yield from self._after_mishaps(self._pictures[row.path], drawn, rng)
        for family in self._foreign.names():
            for _ in range(FOREIGN_EACH):
                picture = self._drawn_foreign(family, rng, [[rows] for rows in self._validation], validation=True)
                yield Drawn(standard_view(picture), self._other, family)

    def _after_mishaps(self, picture: Image, drawn: Drawn, rng: np.random.Generator) -> Iterator[Drawn]:
        for name in rng.permutation(list(MISHAPS))[: self._configuration.validation_mishaps].tolist():
            view = standard_view(MISHAPS[name][0](picture, rng))
            yield Drawn(view, drawn.label, drawn.source, mishap=name)

    def _drawn_foreign(
        self, family: str, rng: np.random.Generator, pools: Sequence[list[list[Row]]], *, validation: bool = False
    ) -> Image:
        first, second = rng.choice(len(pools), 2, replace=False)
        one, two = (self._pictures[_any_row(pools[label], rng).path] for label in (first, second))
        return self._foreign.draw(family, one, two, rng, validation=validation)

    def _changed(self, picture: Image, label: int, source: str, acquisition: str, rng: np.random.Generator) -> Drawn:
        kind, config = rng.random(), self._configuration
        if kind < AS_THEY_ARE:
            return Drawn(standard_view(picture), label, source, acquisition, upright=True)
        if kind < AS_THEY_ARE + GENTLE:
            view = augment(picture, standard_view(picture).shape[0], config.gentle, rng)
            return Drawn(view, label, source, acquisition, upright=True)
        view = augment(befallen(picture, rng), standard_view(picture).shape[0], config.augmentation, rng)
        return Drawn(view, label, source, acquisition)


def _by_source(rows: Sequence[Row]) -> list[list[Row]]:
    sources = sorted({row.source for row in rows})
    return [sorted((row for row in rows if row.source == source), key=lambda row: row.path) for source in sources]


def _any_row(pool: Sequence[Sequence[Row]], rng: np.random.Generator) -> Row:
    source = pool[int(rng.integers(len(pool)))]
    return source[int(rng.integers(len(source)))]
