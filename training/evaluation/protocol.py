"""Tracks: who is enrolled, who is asked, who is a stranger. Every picture is a probe of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.data.bundle_manifest import Row

SAME_SCAN = ("ct-same-scan", "mri-cross-sequence")
"""Tracks of the public bundle whose probes come from the acquisition that is enrolled: they flatter, and are never
averaged with others. Other manifests say it in the column `kind`."""


@dataclass(frozen=True)
class Track:
    """One track of one split; `gallery` holds distractors too."""

    name: str
    modality: str
    gallery: Sequence[Row]
    queries: Sequence[Row]
    impostors: Sequence[Row]

    @property
    def kind(self) -> str:
        """`same scan` or `separate acquisitions`: as the manifest says, or as is known of the public bundle."""
        said = next((row.kind for row in (*self.queries, *self.gallery) if row.kind), "")
        return said or ("same scan" if self.name in SAME_SCAN else "separate acquisitions")

    @cached_property
    def subjects(self) -> list[str]:
        """Gallery subjects, sorted: the columns of subject similarities."""
        return sorted({row.subject for row in self.gallery})

    @property
    def probes(self) -> list[Row]:
        """Queries, then impostors: the rows of similarities."""
        return [*self.queries, *self.impostors]

    def best_per_subject(self, similarities: NDArray[np.floating]) -> NDArray[np.float64]:
        """Float (probes, gallery pictures) -> (probes, subjects): a subject is as near as its nearest picture."""
        owner = np.array([row.subject for row in self.gallery])
        return np.stack([similarities[:, owner == s].max(axis=1) for s in self.subjects], axis=1).astype(np.float64)

    @property
    def truth(self) -> NDArray[np.intp]:
        """Column of each query's own subject."""
        column = {subject: i for i, subject in enumerate(self.subjects)}
        return np.array([column[row.subject] for row in self.queries], np.intp)


def read_tracks(rows: Iterable[Row], split: str, modalities: Sequence[str]) -> list[Track]:
    """The tracks of a split with gallery and queries; ValueError where one contradicts itself."""
    wanted = [row for row in rows if row.split == split and row.track and row.modality in modalities]
    tracks = []
    for name in sorted({row.track for row in wanted}):
        own = [row for row in wanted if row.track == name]
        by_role = {role: [r for r in own if r.role == role] for role in ("gallery", "distractor", "query", "impostor")}
        gallery = by_role["gallery"] + by_role["distractor"]
        if not gallery or not by_role["query"]:
            continue
        strays = {r.subject for r in by_role["query"]} - {r.subject for r in gallery}
        if strays:
            raise ValueError(f"track {name}: {len(strays)} subjects are asked for but not in the gallery")
        if len({r.kind for r in own if r.kind}) > 1:
            raise ValueError(f"track {name}: the manifest gives it two kinds")
        tracks.append(Track(name, own[0].modality, gallery, by_role["query"], by_role["impostor"]))
    return tracks
