"""Read `manifest.csv`: which image shows which person, and what it may be used for. Standard library only."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

MANIFEST_NAME = "manifest.csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest.

    `subject` is a pseudonym of the person, empty if unknown. All splits are by subject. `kind` is one of `KINDS` or
    empty, and says whether the probes of a track come from the acquisition that is enrolled.
    """

    path: str
    modality: str
    source: str
    subject: str
    acquisition: str
    track: str
    split: str
    role: str
    identity: str = ""
    licence: str = ""
    kind: str = ""


COLUMNS = tuple(f.name for f in fields(Row))
REQUIRED = ("path", "modality", "subject", "split", "role")
ALLOWED = {
    "split": ("train", "test"),
    "role": ("train", "gallery", "query", "impostor", "distractor", "modality_only", "ood"),
    "kind": ("", "same scan", "separate acquisitions"),
}


def read_manifest(root: Path) -> list[Row]:
    """Return the rows of `root/manifest.csv`.

    Raises:
        ValueError: the file is missing or wrong. The message names the first problem and its line.
    """
    rows, problems = parse_manifest(root)
    if problems:
        more = f" ({len(problems) - 1} more: make check-bundle DATA=<bundle>)" if len(problems) > 1 else ""
        raise ValueError(f"{problems[0]}{more}")
    return rows


def parse_manifest(root: Path) -> tuple[list[Row], list[str]]:
    """Return the rows of `root/manifest.csv`, and one sentence for each problem in it."""
    path = root / MANIFEST_NAME
    if not path.is_file():
        return [], [f"The data folder {root} has no {MANIFEST_NAME}. DATA must name a folder that contains one."]
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            return [], [f"{MANIFEST_NAME} lacks the columns: {', '.join(missing)}. Add them to its first line."]
        rows, problems = [], []
        for record in reader:
            row = Row(**{name: (record.get(name) or "").strip() for name in COLUMNS})
            rows.append(row)
            problems += [f"{MANIFEST_NAME}, line {reader.line_num}: {text}" for text in _problems_of(row)]
    return rows, [*problems, *_shared_subjects(rows)]


def _problems_of(row: Row) -> Iterator[str]:
    if not row.path or not row.modality:
        yield "path and modality must not be empty."
    for name, allowed in ALLOWED.items():
        value = getattr(row, name)
        if value not in allowed:
            yield f"{name} is {value!r}. Use one of: {', '.join(filter(None, allowed))}."


def _shared_subjects(rows: Sequence[Row]) -> Iterator[str]:
    sides = [{(r.modality, r.subject) for r in rows if r.split == split and r.subject} for split in ALLOWED["split"]]
    shared = sides[0] & sides[1]
    if shared:
        line = 2 + next(i for i, row in enumerate(rows) if (row.modality, row.subject) in shared)
        yield (
            f"{MANIFEST_NAME}: {len(shared)} subjects are in both train and test (one in line {line})."
            " Give all images of a subject the same split."
        )
