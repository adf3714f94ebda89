"""Labelled images for COMPA: drawn by modality and source, with out-of-domain images as the label `other`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.images.views import standard_view
from shared.modalities import load_registry
from shared.modalities.registry import OTHER
from training.configuration import ClassifierConfiguration
from training.data.augmentation import Image, augment
from training.data.bundle_manifest import Row
from training.data.corruptions import CORRUPTIONS, corrupt
from training.data.dataset import Bundle
from training.data.images import Pictures, load_pictures
from training.data.out_of_domain import OutOfDomainImages
from training.data.out_of_domain.collections import load_collections
from training.data.splits import is_validation
from training.data.subtypes import Patterns, subtype_number

OTHER_SHARE = 0.4
"""Fraction of `other` among training images: it covers more kinds of image than any modality."""
UNCHANGED, UPRIGHT = 0.15, 0.3
"""Fractions of training images left unchanged, and changed but kept upright. Sub-types need upright images."""
VALIDATION_PER_FAMILY = 24
"""Validation images of each out-of-domain family."""
CLEAN = "as they are"
"""Corruption of an image that has none."""


@dataclass(frozen=True)
class LabelledImage:
    """A view, uint8 (224, 224, 3), with the number of its label, its source or family, and its corruption."""

    view: Image
    label: int
    source: str
    acquisition: str = ""
    upright: bool = False
    corruption: str = CLEAN


@dataclass(frozen=True)
class LabelledRows:
    """Rows by label of the registry, `other` last. A modality that the registry does not know is `other`."""

    labels: tuple[str, ...]
    rows: Sequence[Row]

    def of(self, label: str, *, validation: bool, share: float) -> list[Row]:
        """Return the rows of one label in one part. A row without a subject is assigned by its path."""
        known = self.labels[:-1]
        return [
            row
            for row in self.rows
            if (row.modality if row.modality in known else OTHER) == label
            and is_validation(row.subject or row.path, share) == validation
        ]

    def out_of_domain(self, pictures: Pictures) -> dict[str, list[Image]]:
        """Return the images of no modality, by source: each source is a family."""
        paths = {row.path: row.source for row in self.rows if row.modality not in self.labels[:-1]}
        return {source: [pictures[p] for p in paths if paths[p] == source] for source in sorted(set(paths.values()))}


class LabelledImages:
    """Draws images of the training and validation parts. The n-th training image depends on n and the seed only."""

    def __init__(
        self, data: LabelledRows, pictures: Pictures, others: OutOfDomainImages, configuration: ClassifierConfiguration
    ) -> None:
        self._pictures, self._others, self._configuration = pictures, others, configuration
        self._other = len(data.labels) - 1
        share = configuration.validation_share
        self._validation = [data.of(label, validation=True, share=share) for label in data.labels[:-1]]
        self._pools = [_by_source(data.of(label, validation=False, share=share)) for label in data.labels[:-1]]
        missing = [name for name, pool in zip(data.labels, self._pools, strict=False) if not pool]
        if missing:
            raise ValueError(
                f"The manifest has no training images with split=train of {', '.join(missing)}. COMPA needs images of"
                " every modality: add some, of at least five people."
            )

    def training(self, index: int) -> LabelledImage:
        """Return the training image with this number."""
        rng = np.random.default_rng((self._configuration.seed, index))
        if rng.random() < OTHER_SHARE:
            family = self._others.choose(rng, without=frozenset(self._configuration.held_out_families))
            return self._changed(self._out_of_domain(family, rng, self._pools), self._other, family, "", rng)
        label = int(rng.integers(self._other))
        row = _any_row(self._pools[label], rng)
        return self._changed(self._pictures[row.path], label, row.source, row.acquisition, rng)

    def validation(self) -> Iterator[LabelledImage]:
        """Yield every validation image, clean and corrupted, then out-of-domain images of every family."""
        rng = np.random.default_rng(self._configuration.seed)
        for label, rows in enumerate(self._validation):
            for row in rows:
                drawn = LabelledImage(
                    standard_view(self._pictures[row.path]), label, row.source, row.acquisition, upright=True
                )
                yield drawn
                yield from self._corrupted(self._pictures[row.path], drawn, rng)
        for family in self._others.names():
            for _ in range(VALIDATION_PER_FAMILY):
                picture = self._out_of_domain(family, rng, [[rows] for rows in self._validation], validation=True)
                yield LabelledImage(standard_view(picture), self._other, family)

    def _corrupted(self, picture: Image, drawn: LabelledImage, rng: np.random.Generator) -> Iterator[LabelledImage]:
        for name in rng.permutation(list(CORRUPTIONS))[: self._configuration.validation_corruptions].tolist():
            view = standard_view(CORRUPTIONS[name][0](picture, rng))
            yield LabelledImage(view, drawn.label, drawn.source, corruption=name)

    def _out_of_domain(
        self, family: str, rng: np.random.Generator, pools: Sequence[list[list[Row]]], *, validation: bool = False
    ) -> Image:
        first, second = rng.choice(len(pools), 2, replace=False)
        one, two = (self._pictures[_any_row(pools[label], rng).path] for label in (first, second))
        return self._others.draw(family, one, two, rng, validation=validation)

    def _changed(
        self, picture: Image, label: int, source: str, acquisition: str, rng: np.random.Generator
    ) -> LabelledImage:
        kind, config = rng.random(), self._configuration
        if kind < UNCHANGED:
            return LabelledImage(standard_view(picture), label, source, acquisition, upright=True)
        if kind < UNCHANGED + UPRIGHT:
            view = augment(picture, standard_view(picture).shape[0], config.upright_augmentation, rng)
            return LabelledImage(view, label, source, acquisition, upright=True)
        view = augment(corrupt(picture, rng), standard_view(picture).shape[0], config.augmentation, rng)
        return LabelledImage(view, label, source, acquisition)


def _by_source(rows: Sequence[Row]) -> list[list[Row]]:
    sources = sorted({row.source for row in rows})
    return [sorted((row for row in rows if row.source == source), key=lambda row: row.path) for source in sources]


def _any_row(pool: Sequence[Sequence[Row]], rng: np.random.Generator) -> Row:
    source = pool[int(rng.integers(len(pool)))]
    return source[int(rng.integers(len(source)))]


def labelled_images(bundle: Bundle, configuration: ClassifierConfiguration) -> LabelledImages:
    """Load COMPA's training and validation images: rows of a bundle, and the out-of-domain images at hand."""
    data = LabelledRows((*load_registry().names, OTHER), bundle.training_rows())
    pictures = load_pictures(bundle.root, data.rows)
    others = OutOfDomainImages(data.out_of_domain(pictures) | load_collections())
    return LabelledImages(data, pictures, others, configuration)


def subtype_targets(images: Sequence[LabelledImage], labels: Sequence[str], patterns: Patterns) -> NDArray[np.intp]:
    """Return the number of each image's sub-type, int (n, modalities with sub-types); -1 if unknown.

    Only upright images of the modality have a known sub-type: a rotated eye has no side.
    """

    def number(image: LabelledImage, modality: str, of_modality: Mapping[str, str]) -> int:
        if not image.upright or labels[image.label] != modality:
            return -1
        return subtype_number(image.source, image.acquisition, of_modality)

    return np.array([[number(image, *item) for item in patterns.items()] for image in images], np.intp)
