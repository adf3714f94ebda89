"""Validation subjects and folds of `split=train`, and their galleries and probes. Standard library only."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from training.data.bundle_manifest import Row

FOLDS = 3
LEAST_PEOPLE = 4
"""Fewest people that a network can learn to tell apart."""

SLICE = re.compile(r"^(?P<series>.*?),? ?(?:axial |coronal |sagittal )?position (?P<position>\d+) of \d+")
"""`acquisition` of a slice: its series and its position. Any other text is an acquisition of its own."""


def is_validation(subject: str, share: float) -> bool:
    """Whether a subject belongs to the validation part: by a hash of its code, so that it never changes sides."""
    return int.from_bytes(hashlib.sha256(f"validation {subject}".encode()).digest()[:4], "big") < share * 2**32


def fold_of(subject: str) -> int:
    """Return the fold of a subject, by a hash of its code: it stays there when other subjects are added."""
    return int.from_bytes(hashlib.sha256(f"fold {subject}".encode()).digest()[:4], "big") % FOLDS


def learning_rows(
    rows: Iterable[Row], modality: str, sources: Sequence[str], instance_sources: Sequence[str]
) -> list[Row]:
    """Return the rows that a modality's network is trained and validated on.

    Rows of `sources` (empty: all) count with their subject. In `instance_sources` every image is a subject of its own.
    """
    own = [row for row in rows if row.split == "train" and row.modality == modality]
    known = [r for r in own if r.role == "train" and r.subject and (not sources or r.source in sources)]
    return known + [replace(r, subject=r.path, track="") for r in own if r.source in instance_sources]


def shortage(
    kept: Sequence[Row], rows: Iterable[Row], modality: str, sources: Sequence[str], share: float | None
) -> str | None:
    """Say in a sentence why the `learning_rows` in `kept` are too few to train and calibrate on; None if they suffice.

    `share` is the validation share; None: validation is by folds.
    """
    people = len({row.subject for row in kept})
    if people < LEAST_PEOPLE:
        everyone = len({row.subject for row in learning_rows(rows, modality, (), ())})
        if sources and everyone >= LEAST_PEOPLE:
            return (
                f"`sources` in {modality}-service/training.toml names {', '.join(sources)}. Only {people} of the"
                f" {everyone} people of modality {modality} are from there, and {LEAST_PEOPLE} are the minimum."
                " Empty it, or name sources of your manifest."
            )
        return (
            f"Modality {modality} has {people} people with split=train and role=train. {LEAST_PEOPLE} are the minimum"
            " and 30 a useful start: add more people, each with two images or more."
        )
    numbers = range(FOLDS) if share is None else [None]
    for number in numbers:
        held_out = [
            r
            for r in kept
            if (is_validation(r.subject, share or 0) if number is None else fold_of(r.subject) == number)
        ]
        if not any(len({row.subject for row in probes.gallery}) > 1 for probes in validation_protocols(held_out)):
            part = "The validation part" if number is None else f"Fold {number + 1} of {FOLDS}"
            return (
                f"{part} of modality {modality} has {len({r.subject for r in held_out})} of its {people} people, and"
                " among them no probe: one person with two images (two acquisitions, or slices of one) and a second"
                " person are the minimum. Add people until every part has them; about 30 suffice."
            )
    return None


@dataclass(frozen=True)
class Probes:
    """A small identification protocol. Every query's subject is in the gallery, beside others."""

    track: str
    gallery: Sequence[Row]
    queries: Sequence[Row]
    strangers: Sequence[Row] = ()
    """For simulated queries: the original images, in the same order. As strangers they are used unchanged, since a
    changed image is less similar to other people than a real one."""
    outsiders: Sequence[Row] = ()
    """Gallery images of people with no other image. Searched among everyone else, they are strangers too."""

    def drawn(self, rows: Sequence[int], outsiders: Sequence[int]) -> Probes:
        """Return the protocol with these queries and outsiders only."""
        return replace(
            self,
            queries=[self.queries[i] for i in rows],
            strangers=[self.strangers[i] for i in rows] if self.strangers else (),
            outsiders=[self.outsiders[i] for i in outsiders],
        )


def series_and_position(row: Row) -> tuple[str, int]:
    """Return the series of a row and its position in it; position 0 if it is no slice."""
    match = SLICE.match(row.acquisition)
    return (match["series"], int(match["position"])) if match else (row.acquisition, 0)


def validation_protocols(rows: Iterable[Row]) -> list[Probes]:
    """Return one protocol per track. Subjects with a single image are distractors in its gallery, and strangers."""
    tracks: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.subject:
            tracks[row.track or row.source][row.subject].append(row)
    return [p for track, subjects in sorted(tracks.items()) if (p := _protocol(track, subjects)).queries]


def neighbouring_slices(rows: Iterable[Row]) -> Probes:
    """Return a protocol of each subject's first series: even positions enrolled, positions 1, 5, 9, ... as queries.

    It stands in for a later session if subjects have only one. The gallery is dense, so that strangers have slices at
    the probe's level too: those look most like it.
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
    """Enrol the first series and query the others; in a single one, enrol every eighth slice and query between."""
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
