"""The cohort: embeddings of training patients that show how similar a probe is to strangers.

Some probes are similar to all patients: a blurred picture, an ordinary anatomy, a common camera. The probe's *level* is
the mean cosine of its nearest cohort members. `shared.identification.calibration.normalise_cosines` subtracts a part of
it from the probe's cosines (adaptive score normalisation: Matějka et al., Interspeech 2017). The level needs no
gallery, so it also exists for the claim of one patient.

If patients of the cohort are enrolled themselves, their confidence falls to about that of a model without a cohort.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.models.manifest import COHORT_FILE, ModelManifest

NEAREST = 5
"""Number of nearest members whose mean cosine is the level."""


class Cohort:
    """Embeddings of training patients, float (n, d), L2-normalised, n at least 1."""

    def __init__(self, embeddings: NDArray[np.floating]) -> None:
        self._embeddings = np.asarray(embeddings, np.float32)

    def __len__(self) -> int:
        """The number of embeddings."""
        return len(self._embeddings)

    def nearest(self, probes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each probe's cosine with its nearest member, float32 (k,), -1 to 1, for embeddings float (k, d)."""
        return np.asarray((np.asarray(probes, np.float32) @ self._embeddings.T).max(axis=1), np.float32)

    def levels(self, probes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each probe's level, float32 (k,), -1 to 1, for embeddings float (k, d)."""
        cosines = np.asarray(probes, np.float32) @ self._embeddings.T
        count = min(NEAREST, len(self))
        return np.asarray(np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1), np.float32)

    def write(self, folder: Path) -> Path:
        """Write the cohort to a model folder as float16, and return the file's path."""
        path = folder / COHORT_FILE
        np.save(path, self._embeddings.astype(np.float16))
        return path


def read_cohort(folder: Path, manifest: ModelManifest) -> Cohort | None:
    """Return the cohort of a model folder whose manifest was read, or None if the model has none."""
    return Cohort(np.load(folder / COHORT_FILE, allow_pickle=False)) if manifest.cohort else None
