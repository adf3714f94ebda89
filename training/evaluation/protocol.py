"""Tracks: enrolled people, queries and impostors. Every picture is one probe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.data.bundle_manifest import Row

SAME_SCAN = ("ct-same-scan", "mri-cross-sequence")
"""Tracks of the public bundle whose probes come from the enrolled acquisition. Their figures are too good, so they are
never averaged with others. Other manifests state it in the column `kind`."""
ROLES = ("gallery", "distractor", "query", "impostor")


@dataclass(frozen=True)
class Track:
    """One track of one split. `gallery` includes the distractors."""

    name: str
    modality: str
    gallery: Sequence[Row]
    queries: Sequence[Row]
    impostors: Sequence[Row]

    @property
    def kind(self) -> str:
        """`same scan` or `separate acquisitions`, from the manifest or known of the public bundle."""
        stated = next((row.kind for row in (*self.queries, *self.gallery) if row.kind), "")
        return stated or ("same scan" if self.name in SAME_SCAN else "separate acquisitions")

    @cached_property
    def subjects(self) -> list[str]:
        """Gallery subjects, sorted: the columns of scores."""
        return sorted({row.subject for row in self.gallery})

    @property
    def probes(self) -> list[Row]:
        """Queries, then impostors: the rows of scores."""
        return [*self.queries, *self.impostors]

    def best_per_subject(self, similarities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the best picture's score per subject: float (probes, gallery pictures) -> (probes, subjects)."""
        owner = np.array([row.subject for row in self.gallery])
        return np.stack([similarities[:, owner == s].max(axis=1) for s in self.subjects], axis=1).astype(np.float64)

    @property
    def truth(self) -> NDArray[np.intp]:
        """Column of each query's own subject."""
        column = {subject: i for i, subject in enumerate(self.subjects)}
        return np.array([column[row.subject] for row in self.queries], np.intp)


def derive_tracks(rows: Sequence[Row]) -> list[Row]:
    """Name the track of rows if no row of their modality and split has a track name: it is the modality's name."""
    named = {(row.modality, row.split) for row in rows if row.track and row.role in ROLES}
    return [
        replace(row, track=row.modality) if row.role in ROLES and (row.modality, row.split) not in named else row
        for row in rows
    ]


def read_tracks(rows: Iterable[Row], split: str, modalities: Sequence[str]) -> list[Track]:
    """Return the tracks of a split that have a gallery and queries; ValueError if one contradicts itself."""
    wanted = [row for row in rows if row.split == split and row.track and row.modality in modalities]
    tracks = []
    for name in sorted({row.track for row in wanted}):
        own = [row for row in wanted if row.track == name]
        by_role = {role: [row for row in own if row.role == role] for role in ROLES}
        gallery = by_role["gallery"] + by_role["distractor"]
        if not gallery or not by_role["query"]:
            continue
        unknown = {row.subject for row in by_role["query"]} - {row.subject for row in gallery}
        if unknown:
            raise ValueError(
                f"track {name}: {len(unknown)} subjects have queries but no gallery picture;"
                " give each a row of role gallery, or make its queries impostors"
            )
        if len({row.kind for row in own if row.kind}) > 1:
            raise ValueError(f"track {name}: the manifest gives it two kinds; give all its rows the same kind")
        tracks.append(Track(name, own[0].modality, gallery, by_role["query"], by_role["impostor"]))
    return tracks
