"""COMPA on a split: the confusion matrix over the modalities, and how well it refuses what is none of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from tqdm import tqdm

from shared.classification.service import to_classification
from shared.images.decoding import decode_image
from shared.images.views import Image, standard_view
from shared.modalities.registry import OTHER
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, read_manifest
from training.data.bundle_manifest import Row
from training.data.subtypes import subtype_number

Change = Callable[[Image], Image]


def _cropped(image: Image) -> Image:
    """The middle, without a fifth of each side's length."""
    height, width = (round(0.1 * length) for length in image.shape[:2])
    return image[height : image.shape[0] - height or None, width : image.shape[1] - width or None]


def _compressed(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _tinted(image: Image) -> Image:
    """As under warm light."""
    return np.asarray(np.minimum(image * np.array([1.2, 1.0, 0.8]), 255), np.uint8)


CHANGES: Mapping[str, Change] = {
    "turned by 90 degrees": partial(np.rot90, k=1),
    "turned by 180 degrees": partial(np.rot90, k=2),
    "turned by 270 degrees": partial(np.rot90, k=3),
    "grey values inverted": lambda image: 255 - image,
    "20 % cropped": _cropped,
    "JPEG quality 30": _compressed,
    "colour cast": _tinted,
}
"""What may have happened to a picture, and should change nothing."""


@dataclass(frozen=True)
class Robustness:
    """The figures after one change."""

    change: str
    accuracy: float | None
    good_refused: float | None
    foreign_refused: float | None


@dataclass(frozen=True)
class SubtypeFigures:
    """How often the sub-type of one modality is right, with the 95 % interval (Wilson, pictures independent)."""

    modality: str
    names: tuple[str, ...]
    pictures: int
    accuracy: float
    low: float
    high: float


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
    robustness: tuple[Robustness, ...] = ()
    subtypes: tuple[SubtypeFigures, ...] = ()


@dataclass(frozen=True)
class _Answers:
    """What COMPA said of pictures: int (n,) truth and likeliest label, bool (n,) refused."""

    truth: NDArray[np.intp]
    likeliest: NDArray[np.intp]
    refused: NDArray[np.bool_]
    other: int
    subtypes: tuple[str | None, ...] = ()

    @property
    def accuracy(self) -> float | None:
        good = self.truth != self.other
        return float(np.mean(self.likeliest[good] == self.truth[good])) if good.any() else None

    def refused_share(self, *, foreign: bool) -> float | None:
        wanted = (self.truth == self.other) == foreign
        return float(np.mean(self.refused[wanted])) if wanted.any() else None


def evaluate_compa(folder: Path, root: Path, rows: Sequence[Row], split: str) -> ClassifierFigures:
    """Every picture of the split once, and once under each change; unknown modalities count as `other`."""
    manifest, session = read_manifest(folder), LiteRTSession(folder)
    wanted = list({row.path: row for row in rows if row.split == split}.values())
    pictures = [decode_image((root / row.path).read_bytes()).pixels for row in tqdm(wanted, desc="compa: decoding")]
    labels = manifest.labels
    truth = np.array([labels.index(row.modality if row.modality in labels else OTHER) for row in wanted])

    def ask(name: str, change: Change) -> _Answers:
        shown = tqdm(pictures, desc=f"compa: {name}", unit="picture")
        answers = [to_classification(session.run(standard_view(change(p))[np.newaxis]), manifest) for p in shown]
        likeliest = np.array([int(np.argmax(answer.probabilities[0])) for answer in answers])
        refused = np.array([not answer.accepted[0] for answer in answers])
        subtypes = tuple(answer.subtypes[0].name if answer.subtypes[0] else None for answer in answers)
        return _Answers(truth, likeliest, refused, len(labels) - 1, subtypes)

    plain = ask("as they are", lambda image: image)
    confusion = np.zeros((len(labels), len(labels)), np.intp)
    np.add.at(confusion, (plain.truth, plain.likeliest), 1)
    return ClassifierFigures(
        labels=labels,
        confusion=confusion,
        good=int(np.sum(truth != plain.other)),
        foreign=int(np.sum(truth == plain.other)),
        accuracy=plain.accuracy,
        good_refused=plain.refused_share(foreign=False),
        foreign_refused=plain.refused_share(foreign=True),
        refused_by_source=_by_source(wanted, plain),
        robustness=tuple(_robustness(name, ask(name, change)) for name, change in CHANGES.items()),
        subtypes=tuple(_subtypes(wanted, plain, manifest)),
    )


def _subtypes(rows: Sequence[Row], answers: _Answers, manifest: ModelManifest) -> Iterator[SubtypeFigures]:
    """Of the pictures whose manifest names one; a picture that is taken for another modality is wrong."""
    patterns = manifest.training.get("configuration", {}).get("subtypes", {})
    for modality, names in manifest.subtypes.items():
        own = [(row, said) for row, said in zip(rows, answers.subtypes, strict=True) if row.modality == modality]
        truth = [subtype_number(row.source, row.acquisition, patterns[modality]) for row, _ in own]
        right = [said == names[number] for (_, said), number in zip(own, truth, strict=True) if number >= 0]
        if right:
            interval = binomtest(sum(right), len(right)).proportion_ci(method="wilson")
            accuracy = sum(right) / len(right)
            yield SubtypeFigures(modality, names, len(right), accuracy, float(interval.low), float(interval.high))


def _robustness(change: str, answers: _Answers) -> Robustness:
    good, foreign = answers.refused_share(foreign=False), answers.refused_share(foreign=True)
    return Robustness(change, answers.accuracy, good, foreign)


def _by_source(rows: Sequence[Row], answers: _Answers) -> dict[str, tuple[int, float]]:
    """Number of pictures and share refused, by kind and source."""
    refused: dict[str, list[bool]] = defaultdict(list)
    for row, truth, flag in zip(rows, answers.truth, answers.refused.tolist(), strict=True):
        refused[f"{'foreign' if truth == answers.other else 'good'}: {row.source}"].append(flag)
    return {name: (len(flags), float(np.mean(flags))) for name, flags in sorted(refused.items())}
