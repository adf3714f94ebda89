"""Reading a manifest: the CSV that says which picture shows whom, and what it may be used for."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

MANIFEST_NAME = "manifest.csv"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest. `subject` is the unit of all splits; empty where the identity is unknown.

    `kind` says of a track whether its probes come from the acquisition that is enrolled: one of `KINDS`, or empty.
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
SPLITS = ("train", "test")
KINDS = ("same scan", "separate acquisitions")
ROLES = ("train", "gallery", "query", "impostor", "distractor", "modality_only", "ood")


def read_manifest(root: Path) -> list[Row]:
    """The rows of `root/manifest.csv`; ValueError with the line number where one is wrong."""
    path = root / MANIFEST_NAME
    if not path.is_file():
        raise ValueError(f"there is no {MANIFEST_NAME} in the data folder; DATA must name a folder that holds one")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{MANIFEST_NAME} lacks the columns {', '.join(missing)}")
        rows = [_row(record, reader.line_num) for record in reader]
    _check_splits(rows)
    return rows


def _row(record: dict[str, str], line: int) -> Row:
    row = Row(**{name: (record.get(name) or "").strip() for name in COLUMNS})
    if not row.path or not row.modality:
        raise ValueError(f"{MANIFEST_NAME}, line {line}: path and modality may not be empty")
    if row.split not in SPLITS:
        raise ValueError(f"{MANIFEST_NAME}, line {line}: split is {row.split!r}, not one of {', '.join(SPLITS)}")
    if row.role not in ROLES:
        raise ValueError(f"{MANIFEST_NAME}, line {line}: role is {row.role!r}, not one of {', '.join(ROLES)}")
    if row.kind and row.kind not in KINDS:
        raise ValueError(f"{MANIFEST_NAME}, line {line}: kind is {row.kind!r}, not one of {', '.join(KINDS)}")
    return row


def _check_splits(rows: Sequence[Row]) -> None:
    sides = {split: {(r.modality, r.subject) for r in rows if r.split == split and r.subject} for split in SPLITS}
    shared = sides["train"] & sides["test"]
    if shared:
        raise ValueError(f"{len(shared)} subjects are both in train and in test, {min(shared)[1]} among them")
