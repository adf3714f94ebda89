"""Records of the gallery: templates, candidates, patients, images, claims and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Embedding = NDArray[np.float32]
"""float32 (256,), L2-normalised."""
LEADERS, LEADING_IMAGES, LOCAL_IMAGES = 3, 12, 2
"""How many images of a candidate are compared by keypoints: up to `LEADING_IMAGES` of each of the `LEADERS` nearest
patients, up to `LOCAL_IMAGES` of each other one. The slice at the probe's level may not have the nearest embedding, so
leaders need more images."""

IDEMPOTENCY_HOURS = 24
"""Hours that an idempotency claim is kept."""


def local_images(rank: int) -> int:
    """Return how many images of the patient at `rank` (from 0) are compared by keypoints."""
    return LEADING_IMAGES if rank < LEADERS else LOCAL_IMAGES


@dataclass(frozen=True, slots=True)
class Template:
    """The template of one image. `local` holds packed keypoints, or None without local verification.

    `quality` is 0 to 1 (`shared.images.quality`).
    """

    modality: str
    model_digest: str
    embedding: Embedding
    quality: float
    local: bytes | None = None


@dataclass(frozen=True, slots=True)
class GalleryCandidate:
    """One patient near a probe, with the most similar image and its cosine similarity (-1 to 1).

    `local` holds the local parts of up to `local_images` most similar images, if the search was asked for them.
    """

    patient_id: str
    image_id: str
    similarity: float
    local: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Candidates, most similar first, and the number of patients that were searched."""

    candidates: Sequence[GalleryCandidate]
    enrolled_patients: int


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """The metadata of one enrolled image."""

    image_id: str
    modality: str
    model_digest: str
    quality: float
    reference: str | None
    acquired_at: datetime | None
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """One patient with all images in time order (`acquired_at`, else `enrolled_at`)."""

    patient_id: str
    created_at: datetime
    images: Sequence[ImageRecord] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class PatientLine:
    """One patient in the list of patients."""

    patient_id: str
    created_at: datetime
    images: int
    modalities: Sequence[str]


@dataclass(frozen=True, slots=True)
class IdempotencyClaim:
    """An `Idempotency-Key` of one caller and the SHA-256 of the request that came with it."""

    caller: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of an erasure; the stored row does not name the patient."""

    receipt_id: str
    images_erased: int
    erased_at: datetime


@dataclass(frozen=True, slots=True)
class ModalityCount:
    """The number of patients and images of one modality and model digest."""

    modality: str
    model_digest: str
    patients: int
    images: int


class GalleryReader(Protocol):
    """The part of a gallery that identification uses.

    Every method raises `shared.errors.DatabaseUnavailable` if the database does not answer. An outage is never an
    empty result.
    """

    async def search(
        self, modality: str, model_digest: str, embedding: Embedding, limit: int, with_local: int = 0
    ) -> SearchResult:
        """Return the `limit` nearest patients among templates of this modality and digest, by cosine similarity.

        The first `with_local` of them come with local parts. Patients of equal similarity are ordered by identifier.
        """

    async def local(
        self, modality: str, model_digest: str, embedding: Embedding, patient_ids: Sequence[str]
    ) -> Sequence[tuple[bytes, ...]]:
        """Return, per patient, the local parts of the `LOCAL_IMAGES` most similar images; none if not enrolled."""

    async def find(
        self, modality: str, model_digest: str, embedding: Embedding, patient_id: str
    ) -> GalleryCandidate | None:
        """Return the patient's image that is most similar to the probe, or None if the patient has none."""
