"""Features of COMPA's images, computed once by the frozen backbone and kept in the folder of the run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.configuration import ClassifierConfiguration
from training.data.labelled_images import LabelledImage, subtype_targets
from training.engine.initialisation import FeatureExtractor

CHUNK = 480
"""Images per file: an interrupted run loses at most these."""
BATCH = 24


@dataclass(frozen=True)
class LabelledFeatures:
    """`features` is float32 (n, d); `labels` int (n,), `subtypes` int (n, modalities with sub-types), -1 unknown."""

    features: NDArray[np.float32]
    labels: NDArray[np.intp]
    subtypes: NDArray[np.intp]
    sources: tuple[str, ...]
    corruptions: tuple[str, ...]


class FeatureCache:
    """Computes features of drawn images; reads them from the run if the configuration is the same."""

    def __init__(
        self, backbone: FeatureExtractor, labels: Sequence[str], configuration: ClassifierConfiguration, run: Path
    ) -> None:
        self._backbone, self._labels, self._patterns = backbone, labels, configuration.subtypes
        described = configuration.model_dump_json(exclude={"epochs", "learning_rate", "dropout", "hidden_units"})
        self._folder = run / f"features-{hashlib.sha256(described.encode()).hexdigest()[:12]}"

    def training(self, draw: Callable[[int], LabelledImage], count: int) -> LabelledFeatures:
        """Return the features of the first `count` images. Images are drawn in two threads."""
        chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        with ThreadPoolExecutor(2) as pool, tqdm(total=count, desc="training images", unit="image") as progress:
            return _joined([self._kept(f"training-{x.start:06}", partial(pool.map, draw, x), progress) for x in chunks])

    def validation(self, images: Iterable[LabelledImage]) -> LabelledFeatures:
        """Return the features of all images."""
        with tqdm(desc="validation images", unit="image") as progress:
            return self._kept("validation", lambda: images, progress)

    def _kept(self, name: str, draw: Callable[[], Iterable[LabelledImage]], progress: tqdm) -> LabelledFeatures:
        path = self._folder / f"{name}.npz"
        if not path.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".new.npz")
            np.savez(unfinished, **vars(self._computed(iter(draw()), progress)))
            unfinished.replace(path)
        with np.load(path) as kept:
            sources, corruptions = (tuple(kept[key].tolist()) for key in ("sources", "corruptions"))
            return LabelledFeatures(kept["features"], kept["labels"], kept["subtypes"], sources, corruptions)

    def _computed(self, images: Iterable[LabelledImage], progress: tqdm) -> LabelledFeatures:
        parts = []
        while batch := list(islice(images, BATCH)):
            views = np.stack([image.view for image in batch]).astype(np.float32)
            features = np.asarray(self._backbone.predict_on_batch(views), np.float32)
            parts.append(labelled_features(features, batch, self._labels, self._patterns))
            progress.update(len(batch))
        return _joined(parts)


def labelled_features(
    features: NDArray[np.float32],
    images: Sequence[LabelledImage],
    labels: Sequence[str],
    patterns: dict[str, dict[str, str]],
) -> LabelledFeatures:
    """Return features, float32 (n, d), with the labels and sub-types of their images."""
    return LabelledFeatures(
        features,
        np.array([image.label for image in images], np.intp),
        subtype_targets(images, labels, patterns),
        tuple(image.source for image in images),
        tuple(image.corruption for image in images),
    )


def _joined(parts: Sequence[LabelledFeatures]) -> LabelledFeatures:
    return LabelledFeatures(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.subtypes for part in parts]),
        tuple(source for part in parts for source in part.sources),
        tuple(corruption for part in parts for corruption in part.corruptions),
    )
