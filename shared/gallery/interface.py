"""What a gallery is: the templates of enrolled patients, searched by modality and model digest."""

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
"""Of the `LEADERS` nearest patients a search returns the local parts of up to `LEADING_IMAGES` images each, since the
slice at the probe's level need not be the one with the nearest embedding; of those behind them, of `LOCAL_IMAGES`."""

IDEMPOTENCY_HOURS = 24
"""How long a claim is remembered."""


def local_images(rank: int) -> int:
    """How many images of the patient at `rank`, counted from 0, take part with their local parts."""
    return LEADING_IMAGES if rank < LEADERS else LOCAL_IMAGES


@dataclass(frozen=True, slots=True)
class Template:
    """One image's template. `local` holds packed keypoint descriptors, or None where that part is off."""

    modality: str
    model_digest: str
    embedding: Embedding
    quality: float
    local: bytes | None = None


@dataclass(frozen=True, slots=True)
class GalleryCandidate:
    """One patient near a probe, by the most similar of the patient's images.

    `local` holds the local parts of the `local_images` most similar ones, as far as they have one and were asked for.
    """

    patient_id: str
    image_id: str
    similarity: float
    local: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Neighbours, most similar first, and how many patients were searched."""

    candidates: Sequence[GalleryCandidate]
    enrolled_patients: int


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One enrolled image without its template."""

    image_id: str
    modality: str
    model_digest: str
    quality: float
    reference: str | None
    acquired_at: datetime | None
    enrolled_at: datetime


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """One patient with the imaging history in time order (acquired_at, else enrolled_at)."""

    patient_id: str
    created_at: datetime
    images: Sequence[ImageRecord] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class PatientLine:
    """One patient in a list."""

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
    """How much is enrolled under one modality and model digest."""

    modality: str
    model_digest: str
    patients: int
    images: int


class Gallery(Protocol):
    """Everything the services ask of the gallery.

    Every method raises `shared.errors.DatabaseUnavailable` where the store does not answer: an outage is never an
    empty result.
    """

    async def ping(self) -> None:
        """Return where the store answers and is migrated."""

    async def search(
        self, modality: str, model_digest: str, embedding: Embedding, limit: int, with_local: int = 0
    ) -> SearchResult:
        """The `limit` nearest patients among templates of exactly this modality and digest (cosine similarity).

        The first `with_local` of them come with local parts.
        """

    async def local(
        self, modality: str, model_digest: str, embedding: Embedding, patient_ids: Sequence[str]
    ) -> Sequence[tuple[bytes, ...]]:
        """Per patient the local parts of the `LOCAL_IMAGES` most similar images; none of whom is not enrolled."""

    async def find(
        self, modality: str, model_digest: str, embedding: Embedding, patient_id: str
    ) -> GalleryCandidate | None:
        """The patient's best image against the probe, or None where the patient has none there."""

    async def enrol(
        self,
        patient_id: str,
        templates: Sequence[Template],
        *,
        reference: str | None = None,
        acquired_at: datetime | None = None,
        idempotency: IdempotencyClaim | None = None,
    ) -> Sequence[ImageRecord]:
        """Store all templates in one transaction, creating the patient where needed; searchable on return.

        With a claim seen before, returns what the first request stored; with another fingerprint raises
        `shared.errors.Conflict`.
        """

    async def replay(self, claim: IdempotencyClaim) -> Sequence[ImageRecord] | None:
        """What this claim stored before, or None; raises `shared.errors.Conflict` as `enrol` does."""

    async def patients(self, after: str | None, limit: int) -> Sequence[PatientLine]:
        """Up to `limit` patients in patient_id order, those after `after`."""

    async def patient(self, patient_id: str) -> PatientRecord:
        """One patient; raises `shared.errors.NotFound`."""

    async def erase(self, patient_id: str) -> Erasure:
        """Remove everything of the patient from every table; raises `shared.errors.NotFound`."""

    async def erase_image(self, patient_id: str, image_id: str) -> None:
        """Remove one image; raises `shared.errors.NotFound`."""

    async def counts(self) -> Sequence[ModalityCount]:
        """Enrolled patients and images per modality and digest."""
