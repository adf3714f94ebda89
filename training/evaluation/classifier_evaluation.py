"""Evaluate COMPA on a split: confusion matrix, refused pictures, robustness against changes, sub-types."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from shared.classification.service import to_classification
from shared.images.decoding import decode_image
from shared.images.views import Image, standard_view
from shared.modalities.registry import OTHER
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, read_manifest
from training.data.bundle_manifest import Row
from training.data.subtypes import subtype_number
from training.evaluation.bootstrap import share_interval
from training.evaluation.report_tables import Json

Change = Callable[[Image], Image]


def _cropped(image: Image) -> Image:
    """Cut a tenth off each side."""
    height, width = (round(0.1 * length) for length in image.shape[:2])
    return image[height : image.shape[0] - height or None, width : image.shape[1] - width or None]


def _compressed(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _tinted(image: Image) -> Image:
    """Tint the image as warm light does."""
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
"""Changes of a picture that should not change the answer."""


@dataclass(frozen=True)
class _Predictions:
    """COMPA's answers: `truth` and `likeliest` label, int (n,), `refused`, bool (n,), and the names of sub-types."""

    truth: NDArray[np.intp]
    likeliest: NDArray[np.intp]
    refused: NDArray[np.bool_]
    foreign: NDArray[np.bool_]
    subtypes: tuple[str | None, ...] = ()

    def shares(self) -> dict[str, float | None]:
        """Return accuracy and refused shares; None for a share of no pictures."""
        return {
            "accuracy": _share(self.likeliest == self.truth, ~self.foreign),
            "good_refused": _share(self.refused, ~self.foreign),
            "foreign_refused": _share(self.refused, self.foreign),
        }


def _share(flags: NDArray[np.bool_], group: NDArray[np.bool_]) -> float | None:
    return float(np.mean(flags[group])) if group.any() else None


def evaluate_compa(folder: Path, root: Path, rows: Sequence[Row], split: str) -> Json:
    """Classify every picture of the split, unchanged and after each change. Unknown modalities count as `other`.

    Returns figures for `report.json`. `confusion` has the truth in rows, both in the order of `labels`. Sub-types have
    a 95 % interval (Wilson; pictures count as independent).
    """
    manifest, session = read_manifest(folder), LiteRTSession(folder)
    labels = manifest.labels
    wanted = list({row.path: row for row in rows if row.split == split}.values())
    pictures = [decode_image((root / row.path).read_bytes()).pixels for row in tqdm(wanted, desc="compa: decoding")]
    truth = np.array([labels.index(row.modality if row.modality in labels else OTHER) for row in wanted])
    foreign = truth == len(labels) - 1

    def predict(name: str, change: Change) -> _Predictions:
        shown = tqdm(pictures, desc=f"compa: {name}", unit="picture")
        answers = [to_classification(session.run(standard_view(change(p))[np.newaxis]), manifest) for p in shown]
        likeliest = np.array([int(np.argmax(answer.probabilities[0])) for answer in answers])
        refused = np.array([not answer.accepted[0] for answer in answers])
        subtypes = tuple(answer.subtypes[0].name if answer.subtypes[0] else None for answer in answers)
        return _Predictions(truth, likeliest, refused, foreign, subtypes)

    unchanged = predict("as they are", lambda image: image)
    confusion = np.zeros((len(labels), len(labels)), np.intp)
    np.add.at(confusion, (truth, unchanged.likeliest), 1)
    return {
        "labels": labels,
        "confusion": confusion.tolist(),
        "good": int(np.sum(~foreign)),
        "foreign": int(np.sum(foreign)),
        **unchanged.shares(),
        "refused_by_source": _by_source(wanted, unchanged),
        "robustness": [{"change": name, **predict(name, change).shares()} for name, change in CHANGES.items()],
        "subtypes": list(_subtypes(wanted, unchanged, manifest)),
    }


def _subtypes(rows: Sequence[Row], predictions: _Predictions, manifest: ModelManifest) -> Iterator[Json]:
    """Figures of the modalities with known sub-types. A picture that is taken for another modality is wrong."""
    patterns = manifest.training.get("configuration", {}).get("subtypes", {})
    for modality, names in manifest.subtypes.items():
        own = [(row, name) for row, name in zip(rows, predictions.subtypes, strict=True) if row.modality == modality]
        truth = [subtype_number(row.source, row.acquisition, patterns[modality]) for row, _ in own]
        right = [name == names[number] for (_, name), number in zip(own, truth, strict=True) if number >= 0]
        if right:
            share = share_interval(sum(right), len(right))
            facts = {"modality": modality, "names": names, "pictures": len(right)}
            yield facts | {"accuracy": share.value, "low": share.low, "high": share.high}


def _by_source(rows: Sequence[Row], predictions: _Predictions) -> dict[str, tuple[int, float]]:
    """Return the number of pictures and the refused share of each source."""
    refused: dict[str, list[bool]] = defaultdict(list)
    for row, foreign, flag in zip(rows, predictions.foreign, predictions.refused.tolist(), strict=True):
        refused[f"{'foreign' if foreign else 'good'}: {row.source}"].append(flag)
    return {name: (len(flags), float(np.mean(flags))) for name, flags in sorted(refused.items())}
