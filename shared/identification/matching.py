"""From probe images to matches: embed, pool, search, calibrate."""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.contracts.internal import Match, Matches, PatientMatch, ServiceTimings, TemplateMessage, Templates
from shared.errors import NotFound
from shared.gallery.contracts import Embedding, Gallery
from shared.identification.calibration import posterior, verification_probability
from shared.images.quality import quality
from shared.images.views import network_view
from shared.models.contracts import ModelSession, Pixels
from shared.models.folder import Calibration
from shared.service.context import Deadline
from shared.service.model import LoadedModel
from shared.service.queue import Timed

NEIGHBOURS = 100
"""Patients that enter the posterior one by one; those farther away are taken as impossible."""


class Matcher:
    """One modality's model over its part of the gallery."""

    def __init__(self, model: LoadedModel, calibration: Calibration, gallery: Gallery) -> None:
        self._model, self._calibration, self._gallery = model, calibration, gallery
        self._modality, self._digest = model.manifest.name, model.manifest.digest

    async def embed(self, images: Pixels, deadline: Deadline) -> Timed[NDArray[np.float32]]:
        """float32 (n, 256), L2-normalised, of uint8 (n, h, w, 3) views after the recipe."""
        return await self._model.queue.run(lambda session: session.run(network_view(images)), deadline)

    async def identify(self, images: Pixels, top_k: int, deadline: Deadline) -> Matches:
        """All images are one probe."""
        embedded = await self.embed(images, deadline)
        begun = time.perf_counter()
        result = await self._gallery.search(self._modality, self._digest, pool(embedded.value), NEIGHBOURS)
        similarities = [neighbour.similarity for neighbour in result.neighbours]
        probabilities, unknown = posterior(similarities, result.enrolled_patients, self._calibration)
        matches = [
            Match(patient_id=n.patient_id, image_id=n.image_id, similarity=_cosine(n.similarity), probability=p)
            for n, p in zip(result.neighbours[:top_k], probabilities[:top_k].tolist(), strict=True)
        ]
        return Matches(
            model=self._digest,
            enrolled_patients=result.enrolled_patients,
            matches=matches,
            unknown_probability=unknown,
            timings_ms=_timings(embedded, begun),
        )

    async def verify(self, images: Pixels, patient_id: str, deadline: Deadline) -> PatientMatch:
        """The claim that the probe is this patient; NotFound where no image of this modality is enrolled."""
        embedded = await self.embed(images, deadline)
        begun = time.perf_counter()
        found = await self._gallery.find(self._modality, self._digest, pool(embedded.value), patient_id)
        if found is None:
            raise NotFound("The patient has no enrolled image of this modality.")
        probability = verification_probability(found.similarity, self._calibration)
        match = Match(
            patient_id=patient_id,
            image_id=found.image_id,
            similarity=_cosine(found.similarity),
            probability=probability,
        )
        return PatientMatch(model=self._digest, match=match, timings_ms=_timings(embedded, begun))

    async def templates(self, images: Pixels, deadline: Deadline) -> Templates:
        """One template per image, for the gateway to enrol."""
        made = await self._model.queue.run(lambda session: _templates(session, images), deadline)
        return Templates(model=self._digest, templates=made.value, timings_ms=_timings(made, time.perf_counter()))


def _templates(session: ModelSession, images: Pixels) -> list[TemplateMessage]:
    """Quality is measured here as well, off the event loop: 64 images take longer than other requests should wait."""
    return [
        TemplateMessage(embedding=encode_embedding(row), quality=quality(image))
        for row, image in zip(session.run(network_view(images)), images, strict=True)
    ]


def pool(embeddings: NDArray[np.float32]) -> Embedding:
    """The probe's embedding out of its images': their mean, brought back to unit length."""
    mean = embeddings.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def encode_embedding(embedding: Embedding) -> bytes:
    """Base64 of the little-endian float32 numbers, as `TemplateMessage` carries them."""
    return base64.b64encode(np.ascontiguousarray(embedding, "<f4").tobytes())


def decode_embedding(data: bytes) -> Embedding:
    """The inverse, on the bytes that pydantic has decoded already."""
    return np.frombuffer(data, "<f4").astype(np.float32)


def _cosine(similarity: float) -> float:
    """Rounding may put a cosine a hair outside [-1, 1]."""
    return float(np.clip(similarity, -1.0, 1.0))


def _timings(embedded: Timed[Any], begun: float) -> ServiceTimings:
    search = 1000 * (time.perf_counter() - begun)
    return ServiceTimings(queue=embedded.waited_ms, inference=embedded.took_ms, search=search)
