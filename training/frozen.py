"""A network that learns nothing but the whitening of its features: judged on every training subject, by folds.

Where there are few patients, training may cost more than it brings. A trunk that stays as it is needs no validation
part to choose anything, so all subjects can say how far patients and strangers are apart: each third is scored by a
whitening that was fitted on the other two, and the one that ships is fitted on all pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras

from training.configuration import IdentifierConfiguration
from training.datasets.manifest import Row
from training.identification import Data, start_network
from training.validation import Embed, Scored, ValidationSet, embedder

FOLDS = 3
Judge = Callable[[ValidationSet, Embed], list[Scored]]
"""Scores a set with an embedder, with keypoints or without."""


@dataclass
class Fold(Data):
    """One third of the subjects held out; every number from `FOLDS` on holds nobody out."""

    number: int = FOLDS

    @property
    def fitting(self) -> list[Row]:
        """Whose pictures are whitened by."""
        return [row for row in self.rows if fold_of(row.subject) != self.number]

    @property
    def validation(self) -> list[Row]:
        """Who is judged."""
        return [row for row in self.rows if fold_of(row.subject) == self.number]


def fold_of(subject: str) -> int:
    """By a hash of the code, so that a subject stays where it is when others come."""
    return int.from_bytes(hashlib.sha256(f"fold {subject}".encode()).digest()[:4], "big") % FOLDS


def whiten_identifier(
    data: Data, configuration: IdentifierConfiguration, weights: Path | None, judge: Judge
) -> tuple[keras.Model, list[Scored]]:
    """The network for 224 x 224 pictures, whitened by all of them, and the tracks of every fold."""
    scored = scored_by_folds(data, configuration, weights, judge)
    everybody = Fold(data.rows, data.pictures, data.recipe, data.validation_share)
    return start_network(everybody, configuration, weights)[0], scored


def scored_by_folds(
    data: Data, configuration: IdentifierConfiguration, weights: Path | None, judge: Judge
) -> list[Scored]:
    """The tracks of every fold, by whitenings that have not seen it."""
    scored = []
    for number in range(FOLDS):
        fold = Fold(data.rows, data.pictures, data.recipe, data.validation_share, number)
        network, _ = start_network(fold, configuration, weights)
        tracks = judge(ValidationSet(fold.validation, fold.pictures, fold.recipe), embedder(network))
        scored += [replace(track, track=f"{track.track}, fold {number + 1} of {FOLDS}") for track in tracks]
    return scored
