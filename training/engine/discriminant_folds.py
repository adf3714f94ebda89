"""A trunk that stays as it is behind a linear discriminant: judged on every training subject, by folds.

Where there are few patients, training a trunk may cost more than it brings. One that stays as it is needs no validation
part to choose anything, so all subjects can say how far patients and strangers are apart: each third is scored by a
discriminant that was fitted on the other two, and the one that ships is fitted on all pictures. The features of the
trunk are computed once. A trunk that is tuned a little (`training/tuning.py`) goes the same way, tuned by every two
thirds and by all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from shared.identification.cohort import Cohort
from training.data.bundle_manifest import Row
from training.data.dataset import Data
from training.data.simulated_revisits import later_visits
from training.engine.configuration import IdentifierConfiguration
from training.engine.finetuning import tune
from training.engine.initialisation import Shown, build_network, embedded, set_discriminant, shown_features
from training.engine.validation import Embed, Embeddings, Scored, ValidationSet, embedder
from training.export.litert import Integers
from training.networks.int8 import IntegerTrunk, ranging_pictures

FOLDS = 3
COHORT = 2048
"""Pictures of a cohort at the most: more take a share of a millisecond each probe, and say no more."""
Judge = Callable[[ValidationSet, Embeddings, Cohort | None], list[Scored]]
"""Scores a set by the embeddings of its pictures, with keypoints or without, and measures it against a cohort."""


@dataclass(frozen=True)
class Fitted:
    """The network fitted to all subjects, for pictures of the configuration's size.

    `tracks` are those of every fold, each judged by a network and a cohort that have not seen it. `cohort_size` is how
    many pictures the smallest of those cohorts had: the nearest of more strangers are nearer, and the calibration knows
    cohorts of that size.
    """

    network: keras.Model
    cohort_size: int
    tracks: list[Scored]
    embed: Embed
    """The network as it will be exported: where its trunk is to be int8, with an integer trunk."""
    integers: Integers | None
    """What of the trunk is to be int8."""


@dataclass
class Fold(Data):
    """One third of the subjects held out."""

    number: int = 0

    @property
    def fitting(self) -> list[Row]:
        """Whom the discriminant is fitted to."""
        return [row for row in self.rows if fold_of(row.subject) != self.number]

    @property
    def validation(self) -> list[Row]:
        """Who is judged."""
        return [row for row in self.rows if fold_of(row.subject) == self.number]


@dataclass
class Everybody(Data):
    """Nobody held out: what ships is fitted to all."""

    @property
    def fitting(self) -> list[Row]:
        """All rows."""
        return list(self.rows)


def fold_of(subject: str) -> int:
    """By a hash of the code, so that a subject stays where it is when others come."""
    return int.from_bytes(hashlib.sha256(f"fold {subject}".encode()).digest()[:4], "big") % FOLDS


def fit_discriminant(
    data: Data, configuration: IdentifierConfiguration, weights: Path | None, judge: Judge, run: Path
) -> Fitted:
    """The discriminant of all of `data`, judged by folds.

    `run` is a folder for checkpoints: where the configuration asks for it, the trunk is tuned first, for every fold and
    for all.
    """
    keras.utils.set_random_seed(configuration.seed)
    network, trunk = build_network(configuration, None, weights)
    everybody = Everybody(data.rows, data.pictures, data.recipe, data.validation_share)
    integers = None
    if configuration.int8:
        integers = Integers(configuration.int8, ranging_pictures(everybody, configuration.seed))
    reader = IntegerTrunk(trunk, integers) if integers else trunk
    pretrained, untuned = trunk.get_weights(), shown_features(reader, everybody, configuration)

    def shown_to(part: Data, name: str) -> Shown:
        if not configuration.tuning:
            return untuned
        trunk.set_weights(pretrained)
        set_discriminant(network, trunk, untuned.of({row.subject for row in part.fitting}), configuration)
        tune(network, trunk, part, configuration, run / name)
        return shown_features(trunk, everybody, configuration)

    def embed(images: NDArray[np.float32]) -> Embeddings:
        return embedded(network, reader.predict_on_batch(images)) if integers else embedder(network)(images)

    tracks, sizes = [], []
    for number in range(FOLDS):
        fold = Fold(data.rows, data.pictures, data.recipe, data.validation_share, number)
        shown = shown_to(fold, f"fold {number + 1} of {FOLDS}")
        set_discriminant(network, trunk, shown.of({row.subject for row in fold.fitting}), configuration)
        cohort = _cohort(network, shown, cohort_paths(fold.fitting, configuration))
        scored = judge(*_part(fold, network, shown), cohort)
        if configuration.neighbours and (
            visits := later_visits(fold.validation, data.pictures, data.recipe, configuration.seed)
        ):
            scored += judge(visits, visits.embeddings(embed), cohort)
        tracks += [replace(track, track=f"{track.track}, fold {number + 1} of {FOLDS}") for track in scored]
        sizes.append(len(cohort))
    shown = shown_to(everybody, "everybody")
    set_discriminant(network, trunk, shown, configuration)
    return Fitted(network, min(sizes), tracks, embed, integers)


def _cohort(network: keras.Model, shown: Shown, paths: Sequence[str]) -> Cohort:
    features = shown.as_they_are()
    return Cohort(embedded(network, np.stack([features[path] for path in paths])))


def cohort_paths(rows: Iterable[Row], configuration: IdentifierConfiguration, most: int = COHORT) -> list[str]:
    """At most so many pictures, by chance and always the same; ValueError where no source of the cohort is there."""
    sources = configuration.cohort_sources
    paths = sorted({row.path for row in rows if not sources or row.source in sources})
    if not paths:
        raise ValueError(f"nobody is left for the cohort: cohort_sources names none of these pictures ({sources})")
    return [str(path) for path in np.random.default_rng(configuration.seed).permutation(paths)[:most]]


def _part(fold: Fold, network: keras.Model, shown: Shown) -> tuple[ValidationSet, Embeddings]:
    part = ValidationSet(fold.validation, fold.pictures, fold.recipe)
    features = shown.as_they_are()
    return part, embedded(network, np.stack([features[path] for path in part.paths]))
