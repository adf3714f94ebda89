"""The gallery in memory: the exact twin of the one on PostgreSQL, for tests and experiments; it forgets at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.errors import Conflict, NotFound
from shared.gallery.interface import (
    IDEMPOTENCY_HOURS,
    LEADING_IMAGES,
    LOCAL_IMAGES,
    Embedding,
    Erasure,
    GalleryCandidate,
    IdempotencyClaim,
    ImageRecord,
    ModalityCount,
    PatientLine,
    PatientRecord,
    SearchResult,
    Template,
    local_images,
)
from shared.ulid import new_ulid


@dataclass
class _Patient:
    created_at: datetime
    images: dict[str, tuple[ImageRecord, Template]] = field(default_factory=dict)


@dataclass
class _Claimed:
    fingerprint: bytes
    patient_id: str
    image_ids: Sequence[str]
    at: datetime


class MemoryGallery:
    """Implements `shared.gallery.interface.Gallery`.

    No method waits for anything, so each is a transaction. Strings sort by code points, which is the order of their
    bytes in UTF-8.
    """

    def __init__(self) -> None:
        self._patients: dict[str, _Patient] = {}
        self._claims: dict[tuple[str, str], _Claimed] = {}
        self.erasures: list[Erasure] = []

    async def ping(self) -> None:
        """It always answers."""

    async def search(
        self, modality: str, model_digest: str, embedding: Embedding, limit: int, with_local: int = 0
    ) -> SearchResult:
        """Exact search; of equally similar patients the first by identifier comes first."""
        best = [
            neighbour
            for patient_id in sorted(self._patients)
            if (neighbour := await self.find(modality, model_digest, embedding, patient_id)) is not None
        ]
        best.sort(key=lambda neighbour: -neighbour.similarity)
        found = [
            replace(neighbour, local=neighbour.local[: local_images(rank) if rank < with_local else 0])
            for rank, neighbour in enumerate(best[:limit])
        ]
        return SearchResult(found, len(best))

    async def local(
        self, modality: str, model_digest: str, embedding: Embedding, patient_ids: Sequence[str]
    ) -> Sequence[tuple[bytes, ...]]:
        """Per patient, those of the most similar images."""
        found = [await self.find(modality, model_digest, embedding, patient_id) for patient_id in patient_ids]
        return [neighbour.local[:LOCAL_IMAGES] if neighbour else () for neighbour in found]

    async def find(
        self, modality: str, model_digest: str, embedding: Embedding, patient_id: str
    ) -> GalleryCandidate | None:
        """The patient's best image against the probe; of equally similar ones the first by identifier."""
        images = self._patients[patient_id].images if patient_id in self._patients else {}
        compared = [
            (float(np.dot(template.embedding, embedding)), image_id, template.local)
            for image_id, (_, template) in sorted(images.items())
            if (template.modality, template.model_digest) == (modality, model_digest)
        ]
        compared.sort(key=lambda image: -image[0])
        if not compared:
            return None
        similarity, image_id, _ = compared[0]
        local = tuple(local for _, _, local in compared[:LEADING_IMAGES] if local is not None)
        return GalleryCandidate(patient_id, image_id, similarity, local)

    async def enrol(
        self,
        patient_id: str,
        templates: Sequence[Template],
        *,
        reference: str | None = None,
        acquired_at: datetime | None = None,
        idempotency: IdempotencyClaim | None = None,
    ) -> Sequence[ImageRecord]:
        """All or none."""
        stored = await self.replay(idempotency) if idempotency is not None else None
        if stored is not None:
            return stored
        if any(template.embedding.shape != (EMBEDDING_DIMENSION,) for template in templates):
            raise ValueError(f"embeddings have {EMBEDDING_DIMENSION} dimensions")
        now = datetime.now(UTC)
        image_ids = sorted(new_ulid() for _ in templates)  # the history keeps the order of the uploads
        images = [
            ImageRecord(i, t.modality, t.model_digest, t.quality, reference, acquired_at, now)
            for i, t in zip(image_ids, templates, strict=True)
        ]
        patient = self._patients.setdefault(patient_id, _Patient(now))
        patient.images.update((image.image_id, (image, t)) for image, t in zip(images, templates, strict=True))
        if idempotency is not None:
            claimed = _Claimed(idempotency.fingerprint, patient_id, [image.image_id for image in images], now)
            self._claims[idempotency.caller, idempotency.key] = claimed
        return images

    async def replay(self, claim: IdempotencyClaim) -> Sequence[ImageRecord] | None:
        """What this claim stored in the last 24 hours."""
        claimed = self._claims.get((claim.caller, claim.key))
        if claimed is None or claimed.at < datetime.now(UTC) - timedelta(hours=IDEMPOTENCY_HOURS):
            return None
        if claimed.fingerprint != claim.fingerprint:
            raise Conflict
        images = self._patients[claimed.patient_id].images
        return [images[image_id][0] for image_id in claimed.image_ids if image_id in images]

    async def patients(self, after: str | None, limit: int) -> Sequence[PatientLine]:
        """Keyset paging by the bytes of patient_id."""
        wanted = sorted((p for p in self._patients.items() if p[0] > (after or "")), key=lambda p: p[0])
        return [_line(patient_id, patient) for patient_id, patient in wanted[:limit]]

    async def patient(self, patient_id: str) -> PatientRecord:
        """One patient with the history."""
        patient = self._existing(patient_id)
        images = [image for image, _ in patient.images.values()]
        images.sort(key=lambda image: (image.acquired_at or image.enrolled_at, image.image_id))
        return PatientRecord(patient_id, patient.created_at, images)

    async def erase(self, patient_id: str) -> Erasure:
        """Forget the patient and the claims; the receipt stays."""
        erasure = Erasure(new_ulid(), len(self._existing(patient_id).images), datetime.now(UTC))
        del self._patients[patient_id]
        self._claims = {key: claim for key, claim in self._claims.items() if claim.patient_id != patient_id}
        self.erasures.append(erasure)
        return erasure

    async def erase_image(self, patient_id: str, image_id: str) -> None:
        """Remove one image; a patient without images stays, with an empty history, until erased."""
        images = self._patients[patient_id].images if patient_id in self._patients else {}
        if images.pop(image_id, None) is None:
            raise NotFound("The patient has no image with that id.")

    async def counts(self) -> Sequence[ModalityCount]:
        """Enrolled patients and images per modality and digest."""
        owners: dict[tuple[str, str], list[str]] = defaultdict(list)
        for patient_id, patient in self._patients.items():
            for image, _ in patient.images.values():
                owners[image.modality, image.model_digest].append(patient_id)
        return [ModalityCount(*group, len(set(patients)), len(patients)) for group, patients in owners.items()]

    def _existing(self, patient_id: str) -> _Patient:
        if patient_id not in self._patients:
            raise NotFound("There is no patient with that id.")
        return self._patients[patient_id]


def _line(patient_id: str, patient: _Patient) -> PatientLine:
    modalities = sorted({image.modality for image, _ in patient.images.values()})
    return PatientLine(patient_id, patient.created_at, len(patient.images), modalities)
