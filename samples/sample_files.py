"""The committed sample set, for the demonstration and the tests. Needs the standard library only."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from shared.modalities.registry import OTHER

ROOT: Final = Path(__file__).parent
"""The folder that the paths in the manifest are relative to."""
MANIFEST: Final = ROOT / "manifest.csv"
COLUMNS: Final = ("path", "modality", "patient_id", "role", "kind", "source", "licence")

Role = Literal["enrol", "query", "stranger", "foreign"]
"""Enrolled; later picture of an enrolled patient; patient who is not enrolled; picture of no modality."""
Kind = Literal["real", "phantom"]


@dataclass(frozen=True)
class Sample:
    """One committed file; `patient_id` is invented, and empty if the picture is `foreign`."""

    path: Path
    modality: str
    patient_id: str
    role: Role
    kind: Kind
    source: str
    licence: str

    @property
    def refused(self) -> bool:
        """Whether the system must refuse it."""
        return self.modality == OTHER

    def read(self) -> bytes:
        """Return the bytes of the file."""
        return self.path.read_bytes()


def sample_set(*, modality: str | None = None, role: Role | None = None) -> list[Sample]:
    """Return all samples in the order of the manifest, or those of one modality or role."""
    with MANIFEST.open(encoding="utf-8", newline="") as file:
        samples = [_sample(row) for row in csv.DictReader(file)]
    return [s for s in samples if modality in {None, s.modality} and role in {None, s.role}]


def _sample(row: dict[str, str]) -> Sample:
    return Sample(
        path=ROOT / row["path"],
        modality=row["modality"],
        patient_id=row["patient_id"],
        role=cast("Role", row["role"]),
        kind=cast("Kind", row["kind"]),
        source=row["source"],
        licence=row["licence"],
    )
