"""Batches for `fit`: P identities times K images each, augmented when drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from training.configuration import AugmentationConfig
from training.data.augmentation import augment
from training.data.bundle_manifest import Row
from training.data.images import Pictures
from training.data.splits import series_and_position

Preprocess = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""The recipe of the modality, on uint8 (h, w, 3)."""


class IdentityBatches(keras.utils.PyDataset):
    """Identity-balanced batches: float32 (P*K, h, w, 3) RGB 0-255, int32 (P*K,) numbers of the subjects.

    Each image is augmented into a square of `view` pixels, then preprocessed. The K images of a subject come from
    different series if it has several (cross-sequence positives). A subject with fewer than K images repeats them, each
    time augmented anew (instance discrimination). Sources are drawn in proportion to the square root of their number
    of subjects, so that a small one is seen often enough.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        pictures: Pictures,
        preprocess: Preprocess,
        augmentation: AugmentationConfig,
        *,
        view: int,
        identities: int,
        images_per_identity: int,
        steps: int,
        seed: int,
    ) -> None:
        super().__init__(workers=2, max_queue_size=8)
        self._members = _by_subject_and_series(rows)
        self.subjects = sorted(self._members)
        self._weights = _source_weights(rows, self.subjects)
        self._pictures, self._preprocess, self._augmentation = pictures, preprocess, augmentation
        self._view, self._identities, self._each = view, min(identities, len(self.subjects)), images_per_identity
        self._steps, self._seed, self.epoch = steps, seed, 0

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        rng = np.random.default_rng((self._seed, self.epoch, index))
        drawn = rng.choice(len(self.subjects), self._identities, replace=False, p=self._weights)
        images = [self._picture(path, rng) for number in drawn for path in self._draw(self.subjects[number], rng)]
        return np.stack(images).astype(np.float32), np.repeat(drawn, self._each).astype(np.int32)

    def on_epoch_end(self) -> None:
        """Draw differently in the next epoch."""
        self.epoch += 1

    def _draw(self, subject: str, rng: np.random.Generator) -> list[str]:
        series = list(self._members[subject].values())
        rng.shuffle(series)
        chosen: list[str] = []
        pools = [list(rng.permutation(paths)) for paths in series]
        while len(chosen) < self._each:
            if not any(pools):
                pools = [list(rng.permutation(paths)) for paths in series]
            chosen += [str(pool.pop()) for pool in pools if pool]
        return chosen[: self._each]

    def _picture(self, path: str, rng: np.random.Generator) -> NDArray[np.uint8]:
        return self._preprocess(augment(self._pictures[path], self._view, self._augmentation, rng))


def _by_subject_and_series(rows: Sequence[Row]) -> Mapping[str, Mapping[str, list[str]]]:
    members: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        members[row.subject][series_and_position(row)[0]].append(row.path)
    return members


def _source_weights(rows: Sequence[Row], subjects: Sequence[str]) -> NDArray[np.float64]:
    source = {row.subject: row.source for row in rows}
    sizes: dict[str, int] = defaultdict(int)
    for subject in subjects:
        sizes[source[subject]] += 1
    weights = np.array([1.0 / np.sqrt(sizes[source[subject]]) for subject in subjects])
    return np.asarray(weights / weights.sum())
