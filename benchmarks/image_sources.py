"""The pictures to send and to enrol: the sample set, or a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice, zip_longest
from pathlib import Path

from samples import sample_set
from shared.images.decoding import decode_image
from shared.images.views import Image
from shared.modalities.registry import OTHER
from training.data.bundle_manifest import Row, read_manifest
from training.data.synthetic_identities import deform


@dataclass(frozen=True)
class Source:
    """Files of one modality: the pictures to send, and the pictures to enrol (a subject may have several)."""

    sent: Sequence[Path]
    enrolled: Sequence[tuple[str, Path]]


def sources(data: Path | None) -> dict[str, Source]:
    """Return the sources by modality, from the sample set or the bundle at `data`, without empty modalities."""
    return _of_bundle(data) if data else _of_samples()


def in_turn(sent: Sequence[Sequence[Path]]) -> list[Path]:
    """Alternate between the modalities until one of them has no picture left."""
    most = min(map(len, sent), default=0)
    return list(chain.from_iterable(zip(*(paths[:most] for paths in sent), strict=True)))


def subjects(source: Source, patients: int) -> Iterator[Image]:
    """Return one decoded picture of each of `patients` people.

    If there are fewer, further people are made by deformation (`training.data.synthetic_identities`). They have
    keypoints and embeddings of their own, and the cost of a search or a comparison depends on nothing else.
    """
    one_each = list(dict(source.enrolled).items())
    if not one_each:
        return
    turns = ((subject, path, version) for version in count() for subject, path in one_each)
    for subject, path, version in islice(turns, patients):
        yield deform(decode_image(path.read_bytes()).pixels, subject, version, mirror=True)


def _of_samples() -> dict[str, Source]:
    found: dict[str, Source] = {}
    for modality in dict.fromkeys(sample.modality for sample in sample_set()):
        samples = sample_set(modality=modality)
        sent = [s.path for s in samples if s.role != "enrol" and s.path.suffix == ".jpg"]
        enrolled = [(s.patient_id, s.path) for s in samples if s.role == "enrol"]
        if modality != OTHER:
            found[modality] = Source(sent, enrolled)
    return found


def _of_bundle(root: Path) -> dict[str, Source]:
    rows = [row for row in read_manifest(root) if row.modality != OTHER and row.subject]
    found = {}
    for modality in sorted({row.modality for row in rows}):
        of_modality = [row for row in rows if row.modality == modality]
        sent = [row for row in of_modality if row.role == "query"]
        enrolled = [(row.subject, root / row.path) for row in of_modality if row.role in {"gallery", "train"}]
        found[modality] = Source([root / row.path for row in _mixed(sent)], enrolled)
    return found


def _mixed(rows: Sequence[Row]) -> list[Row]:
    """Alternate between the tracks, each in random order."""
    tracks: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: hashlib.sha256(row.path.encode()).digest()):
        tracks.setdefault(row.track, []).append(row)
    return [row for row in chain.from_iterable(zip_longest(*tracks.values())) if row is not None]
