"""From probe images to matches: embed, pool, search, compare keypoints, fuse, calibrate."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.contracts.internal import (
    CandidateMessage,
    IdentifyAnswer,
    LocalTemplate,
    ServiceTimings,
    TemplateMessage,
    Templates,
    VerifyAnswer,
)
from shared.errors import NotFound
from shared.gallery.interface import Embedding, Gallery, GalleryCandidate
from shared.identification.calibration import (
    log_likelihood_ratios,
    normalise_cosines,
    posterior,
    verification_probability,
)
from shared.identification.cohort import Cohort
from shared.images.quality import measure_quality
from shared.images.views import network_view
from shared.keypoints.extraction import Keypoints
from shared.keypoints.geometry import GeometricMatch
from shared.keypoints.verification import CascadeStage, LocalVerifier
from shared.models.manifest import Calibration
from shared.models.protocols import ModelSession, Pixels
from shared.service.context import Deadline
from shared.service.inference_queue import Timed
from shared.service.model import LoadedModel

MAX_CANDIDATES = 100
"""Patients that enter the posterior one by one; those farther away are taken as impossible."""

Answer = TypeVar("Answer")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Probe:
    """What is searched for: the pooled embedding, and the keypoints of its images (none without local verification)."""

    embedding: Embedding
    keypoints: Sequence[Keypoints] = ()


class Matcher:
    """One modality's model over its part of the gallery; without a verifier, embeddings alone decide.

    Without a cohort, cosines are taken as they are.
    """

    def __init__(
        self,
        model: LoadedModel,
        calibration: Calibration,
        gallery: Gallery,
        verifier: LocalVerifier | None = None,
        cohort: Cohort | None = None,
    ) -> None:
        self._model, self._calibration, self._gallery = model, calibration, gallery
        self._verifier, self._cohort = verifier, cohort
        self._modality, self._digest = model.manifest.name, model.manifest.digest

    async def embed(self, images: Pixels, deadline: Deadline) -> Timed[NDArray[np.float32]]:
        """float32 (n, 256), L2-normalised, of uint8 (n, h, w, 3) views after the recipe."""
        return await self._model.queue.run(lambda session: session.run(network_view(images)), deadline)

    async def identify(self, images: Pixels, top_k: int, deadline: Deadline) -> IdentifyAnswer:
        """All images are one probe."""
        stages = self._verifier.stages if self._verifier else (CascadeStage(0),)
        first = stages[0].candidates
        search = partial(self._gallery.search, self._modality, self._digest, limit=MAX_CANDIDATES, with_local=first)
        probe, result = await self._looked_up(images, search, deadline)
        begun = time.perf_counter()
        neighbours = list(result.candidates)
        agreements = await self._agreements(probe.value, neighbours, deadline)
        order, probabilities, unknown = self._ordered(probe.value, neighbours, agreements, result.enrolled_patients)
        for before, until in pairwise(stages):
            further = slice(before.candidates, until.candidates)
            if not neighbours[further] or before.stops(probabilities[0]):
                break
            agreements[further] = await self._further(probe.value, neighbours[further], deadline)
            order, probabilities, unknown = self._ordered(probe.value, neighbours, agreements, result.enrolled_patients)
        matches = [
            _match(neighbours[i], agreements[i], probability)
            for i, probability in zip(order[:top_k].tolist(), probabilities[:top_k].tolist(), strict=True)
        ]
        return IdentifyAnswer(
            model=self._digest,
            enrolled_patients=result.enrolled_patients,
            matches=matches,
            unknown_probability=unknown,
            strict_threshold=self._model.manifest.strict_threshold,
            timings_ms=_timings(probe, begun),
        )

    async def verify(self, images: Pixels, patient_id: str, deadline: Deadline) -> VerifyAnswer:
        """The claim that the probe is this patient; NotFound where no image of this modality is enrolled."""
        find = partial(self._gallery.find, self._modality, self._digest, patient_id=patient_id)
        probe, claimed = await self._looked_up(images, find, deadline)
        begun = time.perf_counter()
        if claimed is None:
            raise NotFound("The patient has no enrolled image of this modality.")
        agreement = (await self._agreements(probe.value, [claimed], deadline))[0]
        similarity = float(self._similarities(probe.value, [claimed])[0])
        probability = verification_probability(similarity, _weight(agreement), self._calibration)
        match = _match(claimed, agreement, probability)
        return VerifyAnswer(model=self._digest, match=match, timings_ms=_timings(probe, begun))

    async def templates(self, images: Pixels, deadline: Deadline) -> Templates:
        """One template per image, for the gateway to enrol."""
        made = await self._model.queue.run(lambda session: self._templates(session, images), deadline)
        return Templates(model=self._digest, templates=made.value, timings_ms=_timings(made, time.perf_counter()))

    async def _looked_up(
        self, images: Pixels, look: Callable[[Embedding], Awaitable[Answer]], deadline: Deadline
    ) -> tuple[Timed[Probe], Answer]:
        """The probe, and what the gallery answers to its embedding.

        Keypoints take longer than the network and the gallery together: they are found meanwhile.
        """
        queue, verifier, loop = self._model.queue, self._verifier, asyncio.get_running_loop()
        embedded: asyncio.Future[Embedding] = loop.create_future()

        def make(session: ModelSession) -> Probe:
            keypoints = queue.beside(partial(verifier.extract_probe, list(images))) if verifier else None
            embedding = pool(session.run(network_view(images)))
            loop.call_soon_threadsafe(_tell, embedded, embedding)
            return Probe(embedding, keypoints.result() if keypoints else ())

        probing = asyncio.ensure_future(queue.run(make, deadline))
        try:
            either: set[asyncio.Future[Any]] = {probing, embedded}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not embedded.done():
                await probing  # and raise what went wrong
            return await asyncio.gather(probing, look(embedded.result()))
        finally:
            probing.cancel()

    def _ordered(
        self,
        probe: Probe,
        neighbours: Sequence[GalleryCandidate],
        agreements: Sequence[GeometricMatch | None],
        enrolled: int,
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        """The order of the neighbours by what is known of them, their probabilities in it, and that of nobody."""
        weights = [_weight(agreement) for agreement in agreements]
        ratios = log_likelihood_ratios(self._similarities(probe, neighbours), weights, self._calibration)
        order = np.argsort(-ratios, kind="stable")
        return order, *posterior(ratios[order], enrolled, self._calibration)

    def _similarities(self, probe: Probe, neighbours: Sequence[GalleryCandidate]) -> NDArray[np.float64]:
        """Float (neighbours,): cosines, normalised by how near the probe is to the cohort."""
        cosines = np.array([neighbour.similarity for neighbour in neighbours])
        levels = self._cohort.levels(probe.embedding[np.newaxis]) if self._cohort else None
        return np.asarray(normalise_cosines(cosines[np.newaxis], levels, self._calibration)[0])

    async def _further(
        self, probe: Probe, neighbours: Sequence[GalleryCandidate], deadline: Deadline
    ) -> list[GeometricMatch | None]:
        """The agreements of neighbours whose keypoints the search has left out."""
        patients = [neighbour.patient_id for neighbour in neighbours]
        stored = await self._gallery.local(self._modality, self._digest, probe.embedding, patients)
        complete = [replace(neighbour, local=local) for neighbour, local in zip(neighbours, stored, strict=True)]
        return await self._agreements(probe, complete, deadline)

    async def _agreements(
        self, probe: Probe, neighbours: Sequence[GalleryCandidate], deadline: Deadline
    ) -> list[GeometricMatch | None]:
        """Per neighbour; in the queue as well, since comparing holds a core as inference does."""
        verifier = self._verifier
        if verifier is None or not neighbours:
            return [None] * len(neighbours)
        stored = [neighbour.local for neighbour in neighbours]
        return (await self._model.queue.run(lambda _: verifier.match(probe.keypoints, stored), deadline)).value

    def _templates(self, session: ModelSession, images: Pixels) -> list[TemplateMessage]:
        """Quality is measured here as well, off the event loop: many images take longer than others should wait."""
        return [
            TemplateMessage(embedding=encode_embedding(row), local=self._local(image), quality=measure_quality(image))
            for row, image in zip(session.run(network_view(images)), images, strict=True)
        ]

    def _local(self, view: Pixels) -> LocalTemplate | None:
        return LocalTemplate(data=base64.b64encode(self._verifier.extract_template(view))) if self._verifier else None


def _tell(future: asyncio.Future[Result], result: Result) -> None:
    """Unless nobody waits any more."""
    if not future.done():
        future.set_result(result)


def _weight(agreement: GeometricMatch | None) -> float | None:
    return agreement.weight if agreement else None


def _match(neighbour: GalleryCandidate, agreement: GeometricMatch | None, probability: float) -> CandidateMessage:
    """Rounding may put a cosine a hair outside [-1, 1]."""
    similarity = float(np.clip(neighbour.similarity, -1.0, 1.0))
    return CandidateMessage(
        patient_id=neighbour.patient_id,
        image_id=neighbour.image_id,
        similarity=similarity,
        inliers=agreement.inliers if agreement else None,
        probability=probability,
    )


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


def _timings(embedded: Timed[Any], begun: float) -> ServiceTimings:
    search = 1000 * (time.perf_counter() - begun)
    return ServiceTimings(queue=embedded.waited_ms, inference=embedded.took_ms, search=search)
