"""Simulated repeat shots and later visits, for data that shows every surface or patient only once.

Without them the calibration would learn that agreeing keypoints mean nothing. A simulated image shows another part of
a validation image, in another light and damaged, so far off that the embedding alone leaves doubt. It is used for
calibration only, never to choose a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.configuration import AugmentationConfig
from training.data.augmentation import augment
from training.data.bundle_manifest import Row
from training.data.images import Pictures
from training.data.splits import Probes, neighbouring_slices, validation_protocols

REPEAT_SHOT = "repeat shots (made)"
SHOT_CHANGES = AugmentationConfig(
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
VISIT_CHANGES = AugmentationConfig(
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


@dataclass(frozen=True)
class Revisits:
    """Protocols, and the images that they name: originals and simulated ones."""

    protocols: Sequence[Probes]
    pictures: Pictures


def later_visits(rows: Sequence[Row], pictures: Pictures, seed: int) -> Revisits | None:
    """Simulate later visits: neighbouring slices of one series, the queries in another position and light.

    Unlike repeat shots they also tell about embeddings, since the query is another slice. Return None if no slice has a
    neighbour.
    """
    slices = neighbouring_slices(rows)
    rng = np.random.default_rng(seed)
    shown = {row.path: pictures[row.path] for row in (*slices.gallery, *slices.queries)}
    queries = []
    for row in slices.queries:
        again = replace(row, path=f"{row.path} again", track=LATER_VISIT)
        shown[again.path] = augment(pictures[row.path], max(pictures[row.path].shape[:2]), VISIT_CHANGES, rng)
        queries.append(again)
    if not queries:
        return None
    return Revisits([replace(slices, track=LATER_VISIT, queries=queries, strangers=slices.queries)], shown)


def repeat_shots(rows: Sequence[Row], pictures: Pictures, seed: int) -> Revisits:
    """Simulate repeat shots: every subject's first image is enrolled, and a changed copy of it is the query."""
    first = {row.subject: row for row in sorted(rows, key=lambda row: row.path, reverse=True)}
    rng = np.random.default_rng(seed)
    shown: Pictures = {}
    both = []
    for _, row in sorted(first.items()):
        again = replace(row, path=f"{row.path} again", track=REPEAT_SHOT, acquisition="shot 2")
        both += [replace(row, track=REPEAT_SHOT, acquisition="shot 1"), again]
        shown[row.path] = pictures[row.path]
        shown[again.path] = augment(pictures[row.path], max(pictures[row.path].shape[:2]), SHOT_CHANGES, rng)
    return Revisits(validation_protocols(both), shown)
