"""Baselines: frozen ImageNet features, plain and whitened, and SIFT keypoints with RANSAC."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from shared.images.decoding import decode_image
from shared.images.views import Image, standard_view
from training.data.bundle_manifest import Row
from training.data.images import shrink
from training.evaluation.protocol import Track
from training.evaluation.scorers import EmbeddingScorer, Similarities
from training.networks.backbones import build_backbone

WHITENED = 128
WHITENING_PICTURES = 1000
SIDE = 512
"""Longest side in pixels. Larger pictures are scaled down before keypoints are found."""
KEYPOINTS = 1000
RATIO = 0.8
"""Largest ratio of nearest to second nearest descriptor (Lowe, IJCV 2004, section 7.1)."""
CONTRAST = 0.01
TOLERANCE = 6.0
"""Largest distance of an inlier from its transformed position, in pixels."""
SETTINGS = ("inliers and their share", SIDE, KEYPOINTS, RATIO, CONTRAST, TOLERANCE)


class FrozenFeatures(EmbeddingScorer):
    """Cosine of average-pooled ImageNet features of a backbone, without a recipe."""

    def __init__(self, trunk: str, weights: Path | None, root: Path) -> None:
        super().__init__(f"frozen {trunk}", root)
        network = build_backbone(trunk, 224, weights)
        pooled = keras.layers.GlobalAveragePooling2D()(network.output)
        self._network = keras.Model(network.input, pooled)

    def embed(self, image: Image) -> NDArray[np.float32]:
        """Return the pooled features of the standard view, at unit length."""
        features = self._network.predict_on_batch(standard_view(image)[np.newaxis].astype(np.float32))[0]
        return np.asarray(features / np.linalg.norm(features), np.float32)


class WhitenedFeatures(EmbeddingScorer):
    """Frozen features, projected on the 128 strongest directions of the training pictures and whitened."""

    def __init__(self, frozen: FrozenFeatures, train: Sequence[Row], root: Path) -> None:
        super().__init__(f"{frozen.name}, whitened", root)
        self._frozen = frozen
        drawn = np.random.default_rng(0).permutation(len(train))[:WHITENING_PICTURES]
        features = frozen.embeddings([train[i] for i in drawn])
        self._mean = features.mean(axis=0)
        _, singular, directions = np.linalg.svd(features - self._mean, full_matrices=False)
        kept = min(WHITENED, int(np.sum(singular > 1e-6)))
        self._projection = directions[:kept].T / singular[:kept] * np.sqrt(len(features))

    def embeddings(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Return the whitened features, float32 (n, d)."""
        white = (self._frozen.embeddings(rows) - self._mean) @ self._projection
        return np.asarray(white / np.linalg.norm(white, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Keypoints:
    """Positions float32 (n, 2) and descriptors float32 (n, 128)."""

    positions: NDArray[np.float32]
    descriptors: NDArray[np.float32]


class KeypointScorer:
    """Inliers of RootSIFT matches (Arandjelović & Zisserman, CVPR 2012) under a similarity transform (RANSAC)."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.name = "SIFT + RANSAC"
        self._root, self._cache = root, cache
        self._sift = cv2.SIFT.create(nfeatures=KEYPOINTS, contrastThreshold=CONTRAST)
        self._matcher = cv2.BFMatcher(cv2.NORM_L2)
        self._known: dict[str, Keypoints] = {}

    def similarities(self, track: Track) -> Similarities:
        """Return the inliers of every pair. Finished rows are kept in the cache folder, so a run can be resumed."""
        self._cache.mkdir(parents=True, exist_ok=True)
        gallery = hashlib.sha256(repr((cv2.__version__, SETTINGS)).encode())
        for row in track.gallery:
            gallery.update(self._digest(row))
        probes = tqdm(track.probes, desc=f"{self.name} {track.name}", unit="probe")
        return np.stack([self._row(probe, track.gallery, gallery) for probe in probes]).astype(np.float64)

    def _row(self, probe: Row, gallery: Sequence[Row], key: hashlib._Hash) -> NDArray[np.float64]:
        """Return the inliers with every gallery picture, from the cache if method and pictures are the same."""
        key = key.copy()
        key.update(self._digest(probe))
        stored = self._cache / f"{key.hexdigest()}.npy"
        if not stored.is_file():
            unfinished = stored.with_suffix(".unfinished.npy")  # the row appears whole or not at all
            np.save(unfinished, np.array([self._inliers(probe, row) for row in gallery]))
            unfinished.replace(stored)
        return np.asarray(np.load(stored, allow_pickle=False))

    def _digest(self, row: Row) -> bytes:
        return hashlib.sha256((self._root / row.path).read_bytes()).digest()

    def _keypoints(self, row: Row) -> Keypoints:
        if row.path not in self._known:
            image = shrink(decode_image((self._root / row.path).read_bytes()).pixels, SIDE)
            found, descriptors = self._sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
            positions = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
            raw = np.empty((0, 128), np.float32) if descriptors is None else np.asarray(descriptors, np.float32)
            rooted = np.sqrt(raw / np.maximum(raw.sum(axis=1, keepdims=True), 1e-9))
            self._known[row.path] = Keypoints(positions, rooted)
        return self._known[row.path]

    def _inliers(self, probe: Row, row: Row) -> float:
        """Return the number of inliers plus their share of the matches, which breaks ties."""
        a, b = self._keypoints(probe), self._keypoints(row)
        if min(len(a.positions), len(b.positions)) < 2:
            return 0.0
        nearest: Any = self._matcher.knnMatch(a.descriptors, b.descriptors, k=2)
        good = [m for m, n in nearest if m.distance < RATIO * n.distance]
        if len(good) < 3:  # two matches fit any similarity
            return 0.0
        source = a.positions[[m.queryIdx for m in good]]
        target = b.positions[[m.trainIdx for m in good]]
        cv2.setRNGSeed(0)
        _, inliers = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=TOLERANCE)
        return 0.0 if inliers is None else float(inliers.sum() + inliers.mean())
