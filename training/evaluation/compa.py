"""COMPA on a split: the confusion matrix over the modalities, and how well it refuses what is none of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from shared.classification.service import to_classification
from shared.images.decoding import decode_image
from shared.images.views import standard_view
from shared.modalities.registry import OTHER
from shared.models.folder import read_manifest
from shared.models.sessions import open_session
from training.datasets.manifest import Row


@dataclass(frozen=True)
class ClassifierFigures:
    """`confusion` is int (labels, labels), truth in rows; refused shares by source. None is a share of no pictures."""

    labels: tuple[str, ...]
    confusion: NDArray[np.intp]
    good: int
    foreign: int
    accuracy: float | None
    good_refused: float | None
    foreign_refused: float | None
    refused_by_source: dict[str, tuple[int, float]]


def evaluate_compa(folder: Path, root: Path, rows: Sequence[Row], split: str) -> ClassifierFigures:
    """Every picture of the split once; modalities that are not in the registry count as `other`."""
    manifest, session = read_manifest(folder), open_session(folder)
    labels = manifest.labels
    wanted = {row.path: row for row in rows if row.split == split}
    confusion = np.zeros((len(labels), len(labels)), np.intp)
    refused: dict[str, list[bool]] = defaultdict(list)
    for row in tqdm(wanted.values(), desc="compa", unit="picture"):
        view = standard_view(decode_image((root / row.path).read_bytes()).pixels)
        answer = to_classification(session.run(view[np.newaxis]), manifest)
        truth = labels.index(row.modality if row.modality in labels else OTHER)
        confusion[truth, int(np.argmax(answer.probabilities[0]))] += 1
        refused[f"{'foreign' if labels[truth] == OTHER else 'good'}: {row.source}"].append(not answer.accepted[0])
    good = [flag for source, flags in refused.items() if source.startswith("good") for flag in flags]
    foreign = [flag for source, flags in refused.items() if source.startswith("foreign") for flag in flags]
    known = confusion[:-1]
    return ClassifierFigures(
        labels=labels,
        confusion=confusion,
        good=len(good),
        foreign=len(foreign),
        accuracy=float(np.trace(known) / known.sum()) if known.sum() else None,
        good_refused=float(np.mean(good)) if good else None,
        foreign_refused=float(np.mean(foreign)) if foreign else None,
        refused_by_source={name: (len(flags), float(np.mean(flags))) for name, flags in sorted(refused.items())},
    )
