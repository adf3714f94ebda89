"""Match a probe with enrolled patients: embed, pool, search, compare keypoints, fuse, calibrate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.contracts.internal import (
    CandidateMessage,
    IdentifyAnswer,
    ImageEvidence,
    LocalTemplate,
    TemplateMessage,
    Templates,
    VerifyAnswer,
)
from shared.errors import NotFound
from shared.gallery.interface import Embedding, GalleryCandidate, GalleryReader
from shared.identification.calibration import (
    log_likelihood_ratios,
    normalise_cosines,
    posterior,
    verification_probability,
)
from shared.identification.cohort import Cohort
from shared.images.quality import measure_quality
from shared.images.views import Image, ImageBatch, network_view
from shared.keypoints.extraction import Keypoints
from shared.keypoints.verification import CascadeStage, LocalVerifier, ProbeMatches, compared_images, largest
from shared.models.manifest import Calibration
from shared.models.protocols import ModelSession
from shared.service.context import Deadline
from shared.service.model import LoadedModel

MAX_CANDIDATES = 100
"""Patients that enter the posterior one by one. Patients farther away count as impossible."""

Answer = TypeVar("Answer")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Probe:
    """The pooled embedding of a probe, and the embeddings, float32 (n, 256), and keypoints of its images.

    `keypoints` are those of `compared_images`; empty without local verification.
    """

    embedding: Embedding
    embeddings: NDArray[np.float32]
    keypoints: Sequence[Keypoints] = ()


class Matcher:
    """Match probes with the enrolled patients of one modality.

    Without a verifier, embeddings alone decide. Without a cohort, cosines are not normalised.
    """

    def __init__(
        self,
        model: LoadedModel,
        calibration: Calibration,
        gallery: GalleryReader,
        verifier: LocalVerifier | None = None,
        cohort: Cohort | None = None,
    ) -> None:
        self._model, self._calibration, self._gallery = model, calibration, gallery
        self._verifier, self._cohort = verifier, cohort
        self._modality, self._digest = model.manifest.name, model.manifest.digest

    async def identify(self, images: ImageBatch, top_k: int, deadline: Deadline) -> IdentifyAnswer:
        """Return the `top_k` most probable patients for one probe of n images, uint8 (n, h, w, 3)."""
        stages = self._verifier.stages if self._verifier else (CascadeStage(0),)
        first = stages[0].candidates
        search = partial(self._gallery.search, self._modality, self._digest, limit=MAX_CANDIDATES, with_local=first)
        probe, found = await self._embed_and_look_up(images, search, deadline)
        candidates = list(found.candidates)
        matches = await self._match_keypoints(probe, candidates, deadline)
        order, probabilities, unknown = self._rank(probe, candidates, matches, found.enrolled_patients)
        for before, until in pairwise(stages):
            further = slice(before.candidates, until.candidates)
            if not candidates[further] or before.stops(probabilities[0]):
                break
            matches[further] = await self._match_further(probe, candidates[further], deadline)
            order, probabilities, unknown = self._rank(probe, candidates, matches, found.enrolled_patients)
        compared = dict(zip([one.patient_id for one in candidates], matches, strict=True))
        return IdentifyAnswer(
            model=self._digest,
            enrolled_patients=found.enrolled_patients,
            matches=[
                _message(candidates[i], matches[i], probability)
                for i, probability in zip(order[:top_k].tolist(), probabilities[:top_k].tolist(), strict=True)
            ],
            unknown_probability=unknown,
            images=await self._evidence(probe, compared),
            strict_threshold=self._model.manifest.strict_threshold,
        )

    async def verify(self, images: ImageBatch, patient_id: str, deadline: Deadline) -> VerifyAnswer:
        """Compare the probe with one claimed patient. Raises NotFound if no image of this modality is enrolled."""
        find = partial(self._gallery.find, self._modality, self._digest, patient_id=patient_id)
        probe, claimed = await self._embed_and_look_up(images, find, deadline)
        if claimed is None:
            raise NotFound("The patient has no enrolled image of this modality.")
        match = (await self._match_keypoints(probe, [claimed], deadline))[0]
        similarity = float(self._similarities(probe.embedding, [claimed])[0])
        probability = verification_probability(similarity, _weight(match), self._calibration)
        return VerifyAnswer(model=self._digest, match=_message(claimed, match, probability))

    async def templates(self, images: ImageBatch, deadline: Deadline) -> Templates:
        """Return one template per image of uint8 (n, h, w, 3), for the gateway to enrol."""
        made = await self._model.queue.run(lambda session: self._templates(session, images), deadline)
        return Templates(model=self._digest, templates=made)

    async def _embed_and_look_up(
        self, images: ImageBatch, look: Callable[[Embedding], Awaitable[Answer]], deadline: Deadline
    ) -> tuple[Probe, Answer]:
        """Return the probe, and the gallery's answer to its embedding.

        Keypoints take longer than the network and the gallery together, so both run at the same time.
        """
        queue, verifier, loop = self._model.queue, self._verifier, asyncio.get_running_loop()
        embedded: asyncio.Future[Embedding] = loop.create_future()

        def make(session: ModelSession) -> Probe:
            keypoints = queue.beside(partial(verifier.extract_probe, list(images))) if verifier else None
            embeddings = session.run(network_view(images))
            embedding = pool(embeddings)
            loop.call_soon_threadsafe(_set_result, embedded, embedding)
            return Probe(embedding, embeddings, keypoints.result() if keypoints else ())

        probing = asyncio.ensure_future(queue.run(make, deadline))
        try:
            either: set[asyncio.Future[Any]] = {probing, embedded}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not embedded.done():
                await probing  # raises what went wrong
            return await asyncio.gather(probing, look(embedded.result()))
        finally:
            probing.cancel()

    def _rank(
        self,
        probe: Probe,
        candidates: Sequence[GalleryCandidate],
        matches: Sequence[ProbeMatches],
        enrolled: int,
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
        """Return the candidates' order, most probable first, their probabilities in it, and that of `unknown`."""
        weights = [_weight(match) for match in matches]
        ratios = log_likelihood_ratios(self._similarities(probe.embedding, candidates), weights, self._calibration)
        order = np.argsort(-ratios, kind="stable")
        return order, *posterior(ratios[order], enrolled, self._calibration)

    async def _evidence(self, probe: Probe, compared: Mapping[str, ProbeMatches]) -> list[ImageEvidence]:
        """Score each image of a probe of several on its own, with the matches that its keypoints have already."""
        count = len(probe.embeddings)
        if count == 1:
            return []
        places = {image: place for place, image in enumerate(compared_images(count))}
        return [
            await self._evidence_of(pool(probe.embeddings[[image]]), compared, places.get(image))
            for image in range(count)
        ]

    async def _evidence_of(
        self, embedding: Embedding, compared: Mapping[str, ProbeMatches], place: int | None
    ) -> ImageEvidence:
        """Score one image: `place` is that of its matches in `compared`, None if its keypoints were not compared."""
        found = await self._gallery.search(self._modality, self._digest, embedding, MAX_CANDIDATES)
        matches = [compared.get(one.patient_id, ()) for one in found.candidates]
        weights = [own[place].weight if own and place is not None else None for own in matches]
        similarities = self._similarities(embedding, found.candidates)
        ratios = log_likelihood_ratios(similarities, weights, self._calibration)
        order = np.argsort(-ratios, kind="stable")
        probabilities, unknown = posterior(ratios[order], found.enrolled_patients, self._calibration)
        if not len(order):
            return ImageEvidence(patient_id=None, probability=0.0, unknown_probability=unknown)
        first = found.candidates[order[0]].patient_id
        return ImageEvidence(patient_id=first, probability=float(probabilities[0]), unknown_probability=unknown)

    def _similarities(self, embedding: Embedding, candidates: Sequence[GalleryCandidate]) -> NDArray[np.float64]:
        """Return cosines, float64 (candidates,), normalised by the embedding's level in the cohort."""
        cosines = np.array([candidate.similarity for candidate in candidates])
        levels = self._cohort.levels(embedding[np.newaxis]) if self._cohort else None
        return np.asarray(normalise_cosines(cosines[np.newaxis], levels, self._calibration)[0])

    async def _match_further(
        self, probe: Probe, candidates: Sequence[GalleryCandidate], deadline: Deadline
    ) -> list[ProbeMatches]:
        """Match candidates whose keypoints the search has not returned."""
        patients = [candidate.patient_id for candidate in candidates]
        stored = await self._gallery.local(self._modality, self._digest, probe.embedding, patients)
        complete = [replace(candidate, local=local) for candidate, local in zip(candidates, stored, strict=True)]
        return await self._match_keypoints(probe, complete, deadline)

    async def _match_keypoints(
        self, probe: Probe, candidates: Sequence[GalleryCandidate], deadline: Deadline
    ) -> list[ProbeMatches]:
        """Match each candidate's keypoints; in the inference queue, because matching fills a core as inference does."""
        verifier = self._verifier
        if verifier is None or not candidates:
            return [()] * len(candidates)
        stored = [candidate.local for candidate in candidates]
        return await self._model.queue.run(lambda _: verifier.match(probe.keypoints, stored), deadline)

    def _templates(self, session: ModelSession, images: ImageBatch) -> list[TemplateMessage]:
        """Quality is measured here too: on the event loop, many images would delay other requests."""
        return [
            TemplateMessage(embedding=encode_embedding(row), local=self._local(image), quality=measure_quality(image))
            for row, image in zip(session.run(network_view(images)), images, strict=True)
        ]

    def _local(self, view: Image) -> LocalTemplate | None:
        return LocalTemplate(data=self._verifier.extract_template(view)) if self._verifier else None


def _set_result(future: asyncio.Future[Result], result: Result) -> None:
    """Set the result unless the future was cancelled."""
    if not future.done():
        future.set_result(result)


def _weight(matches: ProbeMatches) -> float | None:
    best = largest(matches)
    return best.weight if best else None


def _message(candidate: GalleryCandidate, matches: ProbeMatches, probability: float) -> CandidateMessage:
    match = largest(matches)
    return CandidateMessage(
        patient_id=candidate.patient_id,
        image_id=candidate.image_id,
        similarity=float(np.clip(candidate.similarity, -1.0, 1.0)),  # rounding may exceed 1 slightly
        inliers=match.inliers if match else None,
        probability=probability,
    )


def pool(embeddings: NDArray[np.float32]) -> Embedding:
    """Return the probe's embedding: the mean of its images' embeddings, float32 (n, d), at unit length."""
    mean = embeddings.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def encode_embedding(embedding: Embedding) -> bytes:
    """Return little-endian float32 bytes, as `TemplateMessage` carries them."""
    return np.ascontiguousarray(embedding, "<f4").tobytes()


def decode_embedding(data: bytes) -> Embedding:
    """Return the embedding of `encode_embedding`'s bytes."""
    return np.frombuffer(data, "<f4").astype(np.float32)
