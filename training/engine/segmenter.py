"""Train the network that finds drawn marks, on images with marks of `training.data.drawn_marks`.

Some sources carry marks of their own without a mask. There, a mark that the network is sure of is no mistake.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from tqdm import trange

from shared.images.graphics import SIDE
from shared.images.views import square_view
from training.data.bundle_manifest import Row
from training.data.drawn_marks import draw_marks
from training.data.images import Pictures
from training.networks.segmentation import CELL, build_segmenter

CANVAS = 2 * SIDE
"""Side, in pixels, at which marks are drawn. Shrinking to `SIDE` blurs them as the gateway does."""
SOURCES_WITH_MARKS = frozenset(
    {"covid_ct", "covid_chestxray", "kermany_child_cxr", "nih1000", "sarscov2_mix", "sartaj_brain_tumor", "ham10000"}
)
"""Sources whose images carry marks that no mask tells."""
SURE = 0.6
"""Probability from which a mark that no mask tells is left out of the loss."""
COVERED = 40
"""Mean of the mask, 0-255, from which a cell is a mark."""
UNMARKED = 0.3
"""Share of training images without marks."""
BATCH, IMAGES_PER_EPOCH, EPOCHS, LEARNING_RATE = 24, 4800, 7, 3e-3
VALIDATION_EVERY, VALIDATION_BATCHES = 11, 20


class MarkedImages(keras.utils.PyDataset):
    """Batches of marked images: uint8 (n, SIDE, SIDE, 3), and float (n, cells, cells, 2): mask, and whether exact."""

    def __init__(self, pictures: Pictures, rows: Sequence[Row], batches: int, *, epoch: int, seed: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self._pictures, self._batches, self._seed = pictures, batches, (seed, epoch)
        kinds: dict[str, list[Row]] = {}
        for row in rows:
            kinds.setdefault(row.modality, []).append(row)
        self._kinds = list(kinds.values())

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        rng = np.random.default_rng((*self._seed, index))
        made = [self._one(rng) for _ in range(BATCH)]
        return np.stack([image for image, _ in made]), np.stack([target for _, target in made])

    def _one(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        kind = self._kinds[int(rng.integers(len(self._kinds)))]
        row = kind[int(rng.integers(len(kind)))]
        image = square_view(_changed(self._pictures[row.path], rng), CANVAS)
        mask = np.zeros((CANVAS, CANVAS), np.uint8)
        if rng.random() >= UNMARKED:
            canvas = draw_marks(image, rng)
            image, mask = canvas.image, canvas.mask
        image, mask = _as_sent(image, mask, rng)
        wide = cv2.dilate(mask, np.ones((3, 3), np.uint8))
        target = cv2.resize(wide, (SIDE // CELL, SIDE // CELL), interpolation=cv2.INTER_AREA) > COVERED
        exact = row.source not in SOURCES_WITH_MARKS
        return square_view(image, SIDE), np.stack([target, np.full_like(target, exact)], axis=2).astype(np.float32)


def _changed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn, mirror, crop, invert or darken the image before anything is drawn."""
    image = np.rot90(image, int(rng.integers(4)) if rng.random() < 0.3 else 0)
    if rng.random() < 0.3:
        image = image[:, ::-1]
    if rng.random() < 0.5:
        height, width = image.shape[:2]
        top, left = (int(rng.uniform(0, 0.3) * length) for length in (height, width))
        image = image[top : top + int(rng.uniform(0.5, 0.7) * height), left : left + int(rng.uniform(0.5, 0.7) * width)]
    if rng.random() < 0.1:
        image = 255 - image
    if rng.random() < 0.4:
        image = np.round(255 * (image / 255.0) ** np.exp(rng.uniform(-0.5, 0.5))).astype(np.uint8)
    return np.ascontiguousarray(image)


def _as_sent(image: NDArray[np.uint8], mask: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Any, Any]:
    """Compress, blur or shrink the marked image, as systems do before they send it."""
    if rng.random() < 0.3:
        side = int(rng.integers(200, CANVAS))
        image = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.4:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image, mask


def segmentation_loss(target: Any, found: Any) -> Any:
    """Cross-entropy with more weight on marks, plus the Dice loss; `target` holds the mask, and whether it is exact."""
    mask, exact = target[..., :1], target[..., 1:]
    doubtful = (1 - exact) * (1 - mask) * ops.cast(found > SURE, "float32")
    weight = (1 - doubtful) * (1 + 2 * mask)
    near = ops.clip(found, 1e-6, 1 - 1e-6)
    entropy = -(mask * ops.log(near) + (1 - mask) * ops.log(1 - near))
    counted = found * (1 - doubtful)
    dice = 1 - (2 * ops.sum(mask * counted) + 1) / (ops.sum(mask) + ops.sum(counted) + 1)
    return ops.sum(weight * entropy) / ops.maximum(ops.sum(weight), 1.0) + 0.3 * dice


def train_segmenter(rows: Sequence[Row], pictures: Pictures, run: Path, epochs: int = EPOCHS) -> keras.Model:
    """Train the network, or continue the run of a folder; every epoch is kept there.

    Of the subjects, one in `VALIDATION_EVERY` is held out. `epochs.json` lists the losses, with and without them.
    """
    people = sorted({row.subject or row.path for row in rows})
    held = set(people[::VALIDATION_EVERY])
    kept = [row for row in rows if (row.subject or row.path) not in held]
    aside = [row for row in rows if (row.subject or row.path) in held and row.source not in SOURCES_WITH_MARKS]
    network, state, weights = build_segmenter(SIDE), run / "epochs.json", run / "last.weights.h5"
    history = json.loads(state.read_text(encoding="utf-8")) if state.exists() else []
    if history:
        network.load_weights(weights)
    steps = IMAGES_PER_EPOCH // BATCH
    decay = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * steps)
    done = len(history) * steps
    network.compile(keras.optimizers.Adam(lambda: decay(network.optimizer.iterations + done)), segmentation_loss)
    validation = MarkedImages(pictures, aside, VALIDATION_BATCHES, epoch=0, seed=2)
    for epoch in trange(len(history), epochs, desc="graphics", unit="epoch"):
        fitted = network.fit(MarkedImages(pictures, kept, steps, epoch=epoch, seed=1), verbose=0).history
        history.append({"loss": fitted["loss"][0], "validation": float(network.evaluate(validation, verbose=0))})
        network.save_weights(weights)
        state.write_text(json.dumps(history), encoding="utf-8")
    return network
