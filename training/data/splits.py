"""The validation part: subjects cut from `split=train`, and the gallery and probes that are made of them."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from training.data.bundle_manifest import Row

SLICE = re.compile(r"^(?P<series>.*?),? ?(?:axial |coronal |sagittal )?position (?P<position>\d+) of \d+")
"""`acquisition` of a slice: what it is a slice of, and which one. Anything else is an acquisition of its own."""


def is_validation(subject: str, share: float) -> bool:
    """Whether a subject belongs to the validation part: by a hash of the code, so that it never changes sides."""
    return int.from_bytes(hashlib.sha256(f"validation {subject}".encode()).digest()[:4], "big") < share * 2**32


@dataclass(frozen=True)
class Probes:
    """A small identification protocol: every query's subject is in the gallery, and other subjects are too."""

    track: str
    gallery: Sequence[Row]
    queries: Sequence[Row]
    strangers: Sequence[Row] = ()
    """Where queries are made: the pictures they are made of, in the same order. Strangers are not made, and are nearer
    to those who are enrolled than what was made of them."""
    outsiders: Sequence[Row] = ()
    """Pictures of the gallery whose people have no other: asked of everybody else, they are strangers too."""

    def drawn(self, rows: Sequence[int], outsiders: Sequence[int]) -> Probes:
        """With these queries and outsiders alone."""
        return replace(
            self,
            queries=[self.queries[i] for i in rows],
            strangers=[self.strangers[i] for i in rows] if self.strangers else (),
            outsiders=[self.outsiders[i] for i in outsiders],
        )


def series_and_position(row: Row) -> tuple[str, int]:
    """What the row is a slice of, and its position; position 0 for what is no slice."""
    match = SLICE.match(row.acquisition)
    return (match["series"], int(match["position"])) if match else (row.acquisition, 0)


def validation_protocols(rows: Iterable[Row]) -> list[Probes]:
    """One protocol per track; validation subjects with a single picture are distractors in its gallery, and strangers
    who are asked about."""
    tracks: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.subject:
            tracks[row.track or row.source][row.subject].append(row)
    return [p for track, subjects in sorted(tracks.items()) if (p := _protocol(track, subjects)).queries]


def neighbouring_slices(rows: Iterable[Row]) -> Probes:
    """Every other slice of each subject's first series enrolled, every second between them asked for: the same anatomy.

    For data that has one session per subject: it stands in for a later one. Enrolled as densely as that, strangers have
    slices of the probe's own level as well, which are the ones that look like it.
    """
    series: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.subject and SLICE.match(row.acquisition):
            series[row.subject][series_and_position(row)[0]].append(row)
    first = [row for of_subject in series.values() for row in min(of_subject.items())[1]]
    gallery = [row for row in first if series_and_position(row)[1] % 2 == 0]
    return Probes("neighbouring slices", gallery, [row for row in first if series_and_position(row)[1] % 4 == 1])


def _protocol(track: str, subjects: dict[str, list[Row]]) -> Probes:
    gallery: list[Row] = []
    queries: list[Row] = []
    outsiders: list[Row] = []
    for _, rows in sorted(subjects.items()):
        enrolled, asked = _cut(sorted(rows, key=lambda r: (*series_and_position(r), r.path)))
        gallery += enrolled
        queries += asked
        outsiders += enrolled if not asked else []
    return Probes(track, gallery, queries, outsiders=outsiders)


def _cut(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """First series against the others; within a single series, every eighth slice against those half-way between."""
    series = defaultdict(list)
    for row in rows:
        series[series_and_position(row)[0]].append(row)
    first, *others = series.values()
    if len(first) == 1:
        return first, [row for rows_of_one in others for row in rows_of_one]
    enrolled = [r for r in first if series_and_position(r)[1] % 8 == 0]
    if others:
        return enrolled, [r for rows_of_one in others for r in rows_of_one if series_and_position(r)[1] % 4 == 2]
    return enrolled, [r for r in first if series_and_position(r)[1] % 8 == 4]
