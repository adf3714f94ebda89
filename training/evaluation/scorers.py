"""Methods that compare probes with a gallery; each gives float (probes, gallery pictures) similarities."""

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
from shared.images.recipes import Recipe, build_recipe
from shared.images.views import Image, network_view
from shared.keypoints.extraction import Keypoints
from shared.keypoints.geometry import match_keypoints
from shared.keypoints.verification import LocalVerifier, build_verifier
from shared.modalities import Modality
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, read_manifest
from shared.models.protocols import ModelSession
from training.data.bundle_manifest import Row
from training.evaluation.protocol import Track

Similarities = NDArray[np.float64]


class Scorer(Protocol):
    """One method."""

    name: str

    def similarities(self, track: Track) -> Similarities:
        """Rows in the order of `track.probes`, columns in that of `track.gallery`."""


class EmbeddingScorer:
    """Cosine of embeddings; each picture is embedded once, whatever the number of tracks that it serves in."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self._root = root
        self._known: dict[str, NDArray[np.float32]] = {}

    def embed(self, image: Image) -> NDArray[np.float32]:
        """float32 (d,), L2-normalised, of a decoded picture."""
        raise TypeError(type(self).__name__)

    def embeddings(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """float32 (n, d)."""
        new = [row.path for row in rows if row.path not in self._known]
        for path in tqdm(new, desc=self.name, unit="picture", disable=len(new) < 20):
            self._known[path] = self.embed(decode_image((self._root / path).read_bytes()).pixels)
        return np.stack([self._known[row.path] for row in rows])

    def similarities(self, track: Track) -> Similarities:
        """Cosines."""
        return (self.embeddings(track.probes) @ self.embeddings(track.gallery).T).astype(np.float64)


class ShippedModel(EmbeddingScorer):
    """The exported model behind its recipe, exactly as gateway and service run it."""

    def __init__(self, folder: Path, modality: Modality, root: Path) -> None:
        super().__init__("ours", root)
        self.manifest: ModelManifest = read_manifest(folder)
        self.verifier: LocalVerifier | None = build_verifier(modality)
        self._cohort = read_cohort(folder, self.manifest)
        self._recipe: Recipe = build_recipe(modality.recipe)
        self._session: ModelSession = LiteRTSession(folder)
        self._keypoints: dict[str, Keypoints] = {}
        self._agreeing: dict[str, Similarities] = {}
        self.milliseconds: list[float] = []

    def embed(self, image: Image) -> NDArray[np.float32]:
        """Recipe, network view, network."""
        begun = time.perf_counter()
        embedding = self._session.run(network_view(self._recipe(image)[np.newaxis]))[0]
        self.milliseconds.append(1000 * (time.perf_counter() - begun))
        return np.asarray(embedding, np.float32)

    def similarities(self, track: Track) -> Similarities:
        """Cosines, each probe's normalised by its level in the cohort."""
        return self.normalise_cosines(track.probes, super().similarities(track))

    def normalise_cosines(self, probes: Sequence[Row], cosines: NDArray[np.floating]) -> Similarities:
        """Cosines float (probes, n) of whatever the probes were compared with, less their levels."""
        if self._cohort is None or self.manifest.calibration is None:
            return cosines.astype(np.float64)
        return normalise_cosines(cosines, self._cohort.levels(self.embeddings(probes)), self.manifest.calibration)

    def agreeing(self, track: Track, cosines: Similarities) -> Similarities:
        """Float (probes, subjects): what keypoints weigh that agree with the nearest pictures of the nearest subjects.

        As in service, nobody farther away is compared in any round: 0. `cosines` is float (probes, gallery pictures),
        normalised or not, and always the same for a track.
        """
        if track.name not in self._agreeing:
            self._agreeing[track.name] = self._count(track, cosines)
        return self._agreeing[track.name]

    def _count(self, track: Track, cosines: Similarities) -> Similarities:
        agreeing = np.zeros((len(track.probes), len(track.subjects)))
        if self.verifier is None:
            return agreeing
        best, most = track.best_per_subject(cosines), self.verifier.stages[-1].candidates
        with threadpool_limits(1):  # as in service
            for i, probe in enumerate(tqdm(track.probes, desc=f"keypoints {track.name}", unit="probe")):
                for rank, column in enumerate(np.argsort(-best[i], kind="stable")[:most]):
                    own = [j for j, row in enumerate(track.gallery) if row.subject == track.subjects[column]]
                    nearest = sorted(own, key=lambda j: -cosines[i, j])[: local_images(rank)]
                    found = [match_keypoints(self._found(probe), self._found(track.gallery[j])) for j in nearest]
                    agreeing[i, column] = max(one.weight for one in found)
        return agreeing

    def _found(self, row: Row) -> Keypoints:
        if row.path not in self._keypoints and self.verifier is not None:
            view = self._recipe(decode_image((self._root / row.path).read_bytes()).pixels)
            self._keypoints[row.path] = self.verifier.extract_probe([view])[0]
        return self._keypoints[row.path]


class RawPixels(EmbeddingScorer):
    """Correlation of 32 x 32 pictures, their three channels taken together."""

    def __init__(self, root: Path) -> None:
        super().__init__("raw 32x32", root)

    def embed(self, image: Image) -> NDArray[np.float32]:
        """Zero mean, unit length: the dot product is Pearson's correlation."""
        small = cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
        small -= small.mean()
        return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)
