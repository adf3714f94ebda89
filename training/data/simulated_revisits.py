"""Repeat shots and later visits, made: a second picture of what a validation picture shows, where the data has none.

Where training data never shows the same surface twice (both eyes of a person once each; one session of a brain), the
calibration would learn that keypoints which agree mean nothing. A second shot is therefore made of each subject's
first validation picture: another part of it, in another light and damaged, so far off that the embedding alone leaves
doubt. Networks are not chosen by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shared.images.recipes import Recipe
from training.data.augmentation import AugmentationConfig, augment
from training.data.bundle_manifest import Row
from training.data.images import Pictures
from training.data.splits import neighbouring_slices
from training.engine.validation import ValidationSet

TRACK = "repeat shots (made)"
CHANGES = AugmentationConfig(
    rotation=15.0,
    zoom=0.5,
    shift=0.15,
    stretch=0.1,
    brightness=0.2,
    contrast=0.4,
    gamma=0.4,
    colour=0.15,
    noise=6.0,
    blur=1.5,
    jpeg=0.5,
    erase=0.5,
)


LATER_VISIT = "later visits (made)"
LATER = AugmentationConfig(
    rotation=8.0,
    zoom=0.15,
    shift=0.05,
    stretch=0.05,
    brightness=0.15,
    contrast=0.3,
    gamma=0.3,
    noise=5.0,
    blur=1.0,
    jpeg=0.3,
    erase=0.1,
)


def later_visits(rows: Sequence[Row], pictures: Pictures, recipe: Recipe, seed: int) -> ValidationSet | None:
    """Neighbouring slices of one series against each other, the later one taken in another position and light.

    For data with one session per subject: unlike repeat shots they tell about embeddings as well, since the slice is
    another one. Asked where their patient is not enrolled, slices are as they were taken. None where no slice has a
    neighbour.
    """
    slices = neighbouring_slices(rows)
    rng = np.random.default_rng(seed)
    shown = {row.path: pictures[row.path] for row in (*slices.gallery, *slices.queries)}
    asked = []
    for row in slices.queries:
        again = replace(row, path=f"{row.path} again", track=LATER_VISIT)
        shown[again.path] = augment(pictures[row.path], max(pictures[row.path].shape[:2]), LATER, rng)
        asked.append(again)
    if not asked:
        return None
    return ValidationSet(
        [], shown, recipe, [replace(slices, track=LATER_VISIT, queries=asked, strangers=slices.queries)]
    )


def repeat_shots(rows: Sequence[Row], pictures: Pictures, recipe: Recipe, seed: int) -> ValidationSet:
    """Every subject's first picture is enrolled, and asked for with a changed copy of it."""
    first = {row.subject: row for row in sorted(rows, key=lambda row: row.path, reverse=True)}
    rng = np.random.default_rng(seed)
    shown: Pictures = {}
    protocol = []
    for _, row in sorted(first.items()):
        again = replace(row, path=f"{row.path} again", track=TRACK, acquisition="shot 2")
        protocol += [replace(row, track=TRACK, acquisition="shot 1"), again]
        shown[row.path] = pictures[row.path]
        shown[again.path] = augment(pictures[row.path], max(pictures[row.path].shape[:2]), CHANGES, rng)
    return ValidationSet(protocol, shown, recipe)
