"""Strangers that every probe is measured against: how near is it to anybody?

Some probes are near to everybody: a blurred picture, an ordinary anatomy, a usual camera. A model therefore comes with
a cohort, embeddings of training patients. The probe's *level* is the mean cosine of its nearest ones in it, and
`shared.identification.calibration.normalised` takes a part of that off its cosines (adaptive score normalisation with
the cohort nearest to the probe: Matějka et al., Interspeech 2017). The level needs no gallery, so it is there for the
claim of one patient too.

The cohort stands for strangers. Where its patients are enrolled themselves, they are measured against their own
pictures, and their confidence falls to about what it is without a cohort.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.models.manifest import COHORT_FILE, ModelManifest

NEAREST = 5
"""Members that make the level."""


class Cohort:
    """Embeddings float (n, d), L2-normalised, n at least 1."""

    def __init__(self, embeddings: NDArray[np.floating]) -> None:
        self._embeddings = np.asarray(embeddings, np.float32)

    def __len__(self) -> int:
        """How many embeddings there are."""
        return len(self._embeddings)

    def nearest(self, probes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of every probe with its nearest member, float (k,) in -1 to 1, for embeddings float (k, d)."""
        return np.asarray((np.asarray(probes, np.float32) @ self._embeddings.T).max(axis=1), np.float32)

    def levels(self, probes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The level of every probe, float (k,) in -1 to 1, for embeddings float (k, d)."""
        cosines = np.asarray(probes, np.float32) @ self._embeddings.T
        count = min(NEAREST, len(self))
        return np.asarray(np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1), np.float32)

    def write(self, folder: Path) -> Path:
        """Store the cohort in a model folder, as float16."""
        path = folder / COHORT_FILE
        np.save(path, self._embeddings.astype(np.float16))
        return path


def read_cohort(folder: Path, manifest: ModelManifest) -> Cohort | None:
    """What lies in the folder of a `manifest` that was read there; None where the model has no cohort."""
    return Cohort(np.load(folder / COHORT_FILE, allow_pickle=False)) if manifest.cohort else None
