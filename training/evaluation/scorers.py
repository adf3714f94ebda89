"""Methods that compare probes with a gallery. Each returns similarities, float (probes, gallery pictures)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from shared.gallery.interface import local_images
from shared.identification.calibration import normalise_cosines
from shared.identification.cohort import read_cohort
from shared.images.decoding import decode_image
from shared.images.recipes import build_recipe
from shared.images.views import Image, network_view
from shared.keypoints.extraction import Keypoints
from shared.keypoints.geometry import match_keypoints
from shared.keypoints.verification import build_verifier
from shared.modalities import Modality
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import read_manifest
from training.data.bundle_manifest import Row
from training.evaluation.protocol import Track

Similarities = NDArray[np.float64]


class Scorer(Protocol):
    """One method."""

    name: str

    def similarities(self, track: Track) -> Similarities:
        """Return rows in the order of `track.probes`, columns in that of `track.gallery`."""


class EmbeddingScorer:
    """Cosine of embeddings. Each picture is embedded once, also if it is in several tracks."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._root = root
        self._embeddings: dict[str, NDArray[np.float32]] = {}

    def embed(self, image: Image) -> NDArray[np.float32]:
        """Return the embedding of a decoded picture, float32 (d,), L2-normalised."""
        raise TypeError(type(self).__name__)

    def decode(self, path: str) -> Image:
        """Return a picture of the manifest as the gateway decodes it, uint8 (h, w, 3)."""
        return decode_image((self._root / path).read_bytes()).pixels

    def embeddings(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Return the embeddings of pictures, float32 (n, d)."""
        new = [row.path for row in rows if row.path not in self._embeddings]
        for path in tqdm(new, desc=self.name, unit="picture", disable=len(new) < 20):
            self._embeddings[path] = self.embed(self.decode(path))
        return np.stack([self._embeddings[row.path] for row in rows])

    def similarities(self, track: Track) -> Similarities:
        """Return cosines."""
        return (self.embeddings(track.probes) @ self.embeddings(track.gallery).T).astype(np.float64)


class ShippedModel(EmbeddingScorer):
    """The exported model behind its recipe, as gateway and service run it."""

    def __init__(self, folder: Path, modality: Modality, root: Path) -> None:
        super().__init__("ours", root)
        self.manifest = read_manifest(folder)
        self.verifier = build_verifier(modality)
        self._cohort = read_cohort(folder, self.manifest)
        self._recipe = build_recipe(modality.recipe)
        self._session = LiteRTSession(folder)
        self._keypoints: dict[str, Keypoints] = {}
        self._agreeing: dict[str, Similarities] = {}
        self.milliseconds: list[float] = []

    def embed(self, image: Image) -> NDArray[np.float32]:
        """Apply recipe, network view and network."""
        begun = time.perf_counter()
        embedding = self._session.run(network_view(self._recipe(image)[np.newaxis]))[0]
        self.milliseconds.append(1000 * (time.perf_counter() - begun))
        return np.asarray(embedding, np.float32)

    def similarities(self, track: Track) -> Similarities:
        """Return cosines, each probe's normalised by its level in the cohort."""
        return self.normalise_cosines(track.probes, super().similarities(track))

    def normalise_cosines(self, probes: Sequence[Row], cosines: NDArray[np.floating]) -> Similarities:
        """Normalise cosines, float (probes, n), by the level of each probe in the cohort."""
        if self._cohort is None or self.manifest.calibration is None:
            return cosines.astype(np.float64)
        return normalise_cosines(cosines, self._cohort.levels(self.embeddings(probes)), self.manifest.calibration)

    def agreeing(self, track: Track, cosines: Similarities) -> Similarities:
        """Return the weight of agreeing keypoints, float (probes, subjects); 0 for subjects that are not compared.

        As in service, only the nearest pictures of the nearest subjects are compared. `cosines` is float
        (probes, gallery pictures), normalised or not. The result is kept by the track's name.
        """
        if track.name not in self._agreeing:
            self._agreeing[track.name] = self._compare_keypoints(track, cosines)
        return self._agreeing[track.name]

    def _compare_keypoints(self, track: Track, cosines: Similarities) -> Similarities:
        agreeing = np.zeros((len(track.probes), len(track.subjects)))
        if self.verifier is None:
            return agreeing
        best, most = track.best_per_subject(cosines), self.verifier.stages[-1].candidates
        with threadpool_limits(1):  # as in service
            for i, probe in enumerate(tqdm(track.probes, desc=f"keypoints {track.name}", unit="probe")):
                own_keypoints = self._extracted(probe)
                for rank, column in enumerate(np.argsort(-best[i], kind="stable")[:most]):
                    own = [j for j, row in enumerate(track.gallery) if row.subject == track.subjects[column]]
                    nearest = sorted(own, key=lambda j: -cosines[i, j])[: local_images(rank)]
                    keypoints = [self._extracted(track.gallery[j]) for j in nearest]
                    agreeing[i, column] = max(match_keypoints(own_keypoints, one).weight for one in keypoints)
        return agreeing

    def _extracted(self, row: Row) -> Keypoints:
        if row.path not in self._keypoints and self.verifier is not None:
            view = self._recipe(self.decode(row.path))
            self._keypoints[row.path] = self.verifier.extract_probe([view])[0]
        return self._keypoints[row.path]


class RawPixels(EmbeddingScorer):
    """Correlation of the pixels of 32 x 32 pictures, over all three channels."""

    def __init__(self, root: Path) -> None:
        super().__init__("raw 32x32", root)

    def embed(self, image: Image) -> NDArray[np.float32]:
        """Return the pixels with zero mean and unit length, so that the dot product is Pearson's correlation."""
        small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        small -= small.mean()
        return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)
