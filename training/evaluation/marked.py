"""`python -m training.evaluation.marked --data BUNDLE`: ask every track again, with marks on all of its pictures.

Enrolled pictures and probes carry the same layout with other words, as if one viewer or department had sent them all.
The layouts are drawn by code and fonts that the training of the mask never used (`training.evaluation.layouts`). An
image that COMPA refuses is neither found nor named.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.classification.service import to_classification
from shared.images.views import Image, standard_view
from shared.modalities import Modality, load_registry
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, read_manifest
from training.calibration.posterior_eval import answer
from training.data.bundle_manifest import Row
from training.data.bundle_manifest import read_manifest as read_rows
from training.data.dataset import COMPA
from training.evaluation.layouts import LAYOUTS, Layout
from training.evaluation.measure import track_scores
from training.evaluation.protocol import Track, derive_tracks, read_tracks
from training.evaluation.scorers import ShippedModel
from training.evaluation.shipped import shipped_scoring

REPOSITORY = Path(__file__).parents[2]
LEAST_SIDE = 512
"""Shorter side, in pixels, at which marks are drawn; smaller pictures are enlarged first."""
NONE = "none"
COLUMNS = (
    "track",
    "marks",
    "found",
    "named wrongly",
    "queries",
    "strangers named",
    "at strict",
    "strangers",
    "refused",
)


@dataclass(frozen=True)
class Compa:
    """The shipped classifier of modalities."""

    manifest: ModelManifest
    session: LiteRTSession

    def accepts(self, image: Image, modality: str) -> bool:
        """Whether an image is routed to a modality."""
        found = to_classification(self.session.run(standard_view(image)[np.newaxis]), self.manifest)
        return found.accepted[0] and found.labels[int(np.argmax(found.probabilities[0]))] == modality


class MarkedModel(ShippedModel):
    """The shipped model, asked with marks on every picture."""

    def __init__(self, folder: Path, modality: Modality, root: Path, layout: Layout | None) -> None:
        super().__init__(folder, modality, root)
        self._layout = layout

    def decode(self, path: str) -> Image:
        """Return the picture with marks. Its words depend on its path alone."""
        image = super().decode(path)
        if self._layout is None:
            return image
        scale = LEAST_SIDE / min(image.shape[:2])
        if scale > 1:
            image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
        return self._layout(image, np.random.default_rng(zlib.crc32(path.encode())))


def ask(track: Track, model: MarkedModel, compa: Compa, modality: Modality) -> Counter[str]:
    """Return the counts of one track, by the names in `COLUMNS`."""
    scoring, points = shipped_scoring(model), model.manifest.operating_points
    if scoring is None:
        raise ValueError(f"{modality.name}-service/ holds a model without calibration: train it again")
    scores = track_scores(track, scoring.scores(track, model.similarities(track)))
    strict = np.inf if points is None or points.strict is None else max(points.strict, modality.threshold)
    queries, strangers = (answer(one, scoring.cascade.posterior) for one in (scores.queries, scores.impostors))
    asked, others = _accepted(track.queries, model, compa), _accepted(track.impostors, model, compa)
    named, right = asked & (queries.confidence >= modality.threshold), queries.first == scores.truth
    return Counter(
        {
            "found": int((named & right).sum()),
            "named wrongly": int((named & ~right).sum()),
            "queries": len(asked),
            "strangers named": int((others & (strangers.confidence >= modality.threshold)).sum()),
            "at strict": int((others & (strangers.confidence >= strict)).sum()),
            "strangers": len(others),
            "refused": int((~asked).sum() + (~others).sum()),
        }
    )


def _accepted(rows: Sequence[Row], model: MarkedModel, compa: Compa) -> NDArray[np.bool_]:
    return np.array([compa.accepts(model.decode(row.path), model.manifest.name) for row in rows], bool)


def main(arguments: list[str] | None = None) -> int:
    """Print one line per track and layout, then the sums. Return 0, or 2 with a sentence about the data."""
    registry = load_registry()
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.marked", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the pictures")
    parser.add_argument("--split", default="test", choices=("test", "train"))
    parser.add_argument("--modality", action="append", choices=registry.names, help="default: all")
    parser.add_argument("--models", type=Path, default=REPOSITORY, help="folder with the <modality>-service folders")
    options = parser.parse_args(arguments)
    try:
        rows = derive_tracks(read_rows(options.data))
        folder = options.models / f"{COMPA}-service"
        compa = Compa(read_manifest(folder), LiteRTSession(folder))
        sums = {NONE: Counter[str](), "marks": Counter[str]()}
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))  # noqa: T201
        for name in options.modality or registry.names:
            for layout in (None, *LAYOUTS):
                draw = LAYOUTS[layout] if layout else None
                model = MarkedModel(options.models / f"{name}-service", registry[name], options.data, draw)
                for track in read_tracks(rows, options.split, [name]):
                    counts = ask(track, model, compa, registry[name])
                    sums["marks" if layout else NONE] += counts
                    _print(track.name, layout or NONE, counts)
        for marks, counts in sums.items():
            _print("all", marks, counts)
    except ValueError as error:
        print(f"marked: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _print(track: str, marks: str, counts: Counter[str]) -> None:
    print("| " + " | ".join([track, marks, *(str(counts[column]) for column in COLUMNS[2:])]) + " |", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
