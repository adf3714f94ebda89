"""What COMPA's head learns from: the frozen trunk's features of drawn pictures, computed once and kept in the run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.data.labelled_images import Drawn
from training.data.subtypes import subtype_targets
from training.engine.configuration import ClassifierConfiguration
from training.engine.initialisation import Reads

CHUNK = 480
"""Pictures per file: an interrupted run loses at most so many."""
BATCH = 24


@dataclass(frozen=True)
class Lessons:
    """`features` is float32 (n, d); `labels` int (n,), `subtypes` int (n, modalities with sub-types), -1 unknown."""

    features: NDArray[np.float32]
    labels: NDArray[np.intp]
    subtypes: NDArray[np.intp]
    sources: tuple[str, ...]
    mishaps: tuple[str, ...]


class Reader:
    """Reads drawn pictures through the trunk; what was read under the same configuration is not read again."""

    def __init__(self, trunk: Reads, labels: Sequence[str], configuration: ClassifierConfiguration, run: Path) -> None:
        self._trunk, self._labels, self._patterns = trunk, labels, configuration.subtypes
        described = configuration.model_dump_json(exclude={"epochs", "learning_rate", "dropout", "dense"})
        self._folder = run / f"features-{hashlib.sha256(described.encode()).hexdigest()[:12]}"

    def training(self, draw: Callable[[int], Drawn], count: int) -> Lessons:
        """The first `count` pictures; drawing and reading take turns on the cores."""
        chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        with ThreadPoolExecutor(2) as pool, tqdm(total=count, desc="pictures to learn from", unit="picture") as shown:
            return _joined([self._kept(f"training-{x.start:06}", partial(pool.map, draw, x), shown) for x in chunks])

    def validation(self, drawn: Iterable[Drawn]) -> Lessons:
        """All of them."""
        with tqdm(desc="validation pictures", unit="picture") as shown:
            return self._kept("validation", lambda: drawn, shown)

    def _kept(self, name: str, draw: Callable[[], Iterable[Drawn]], shown: tqdm) -> Lessons:
        path = self._folder / f"{name}.npz"
        if not path.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".new.npz")
            np.savez(unfinished, **vars(self._read(draw(), shown)))
            unfinished.replace(path)
        with np.load(path) as kept:
            sources, mishaps = (tuple(kept[key].tolist()) for key in ("sources", "mishaps"))
            return Lessons(kept["features"], kept["labels"], kept["subtypes"], sources, mishaps)

    def _read(self, drawn: Iterable[Drawn], shown: tqdm) -> Lessons:
        parts = []
        for batch in _batches(drawn, BATCH):
            views = np.stack([picture.view for picture in batch]).astype(np.float32)
            features = np.asarray(self._trunk.predict_on_batch(views), np.float32)
            labels = np.array([picture.label for picture in batch], np.intp)
            subtypes = subtype_targets(batch, self._labels, self._patterns)
            sources, mishaps = (tuple(getattr(p, key) for p in batch) for key in ("source", "mishap"))
            parts.append(Lessons(features, labels, subtypes, sources, mishaps))
            shown.update(len(batch))
        return _joined(parts)


def _batches(drawn: Iterable[Drawn], size: int) -> Iterable[list[Drawn]]:
    waiting: list[Drawn] = []
    for picture in drawn:
        waiting.append(picture)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _joined(parts: Sequence[Lessons]) -> Lessons:
    return Lessons(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.subtypes for part in parts]),
        tuple(source for part in parts for source in part.sources),
        tuple(mishap for part in parts for mishap in part.mishaps),
    )
