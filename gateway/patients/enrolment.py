"""Enrol the images of one request, all or none."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from gateway.pipeline import Prepared
from gateway.state import GatewayState
from shared.contracts.public import EnrolledImage, Enrolment
from shared.gallery.interface import IdempotencyClaim, ImageRecord, Template
from shared.identification.matching import decode_embedding


def make_claim(
    caller_id: str, key: str, patient_id: str, uploads: Sequence[bytes], *fields: object
) -> IdempotencyClaim:
    """Return the claim of an idempotency key; its fingerprint covers the whole request."""
    digest = hashlib.sha256(repr((patient_id, *fields)).encode())
    for data in uploads:
        digest.update(hashlib.sha256(data).digest())
    return IdempotencyClaim(caller_id, key, digest.digest())


async def enrol(
    state: GatewayState,
    patient_id: str,
    prepared: Sequence[Prepared],
    reference: str | None,
    acquired_at: datetime | None,
    claim: IdempotencyClaim | None,
) -> Enrolment:
    """Make the templates of all modalities, then store them in one transaction."""
    templates = await _templates(state, prepared)
    images = await state.gallery.enrol(
        patient_id, templates, reference=reference, acquired_at=acquired_at, idempotency=claim
    )
    return to_enrolment(patient_id, images)


def to_enrolment(patient_id: str, images: Sequence[ImageRecord]) -> Enrolment:
    """Return the answer for stored images."""
    enrolled = [EnrolledImage(image_id=i.image_id, modality=i.modality, quality=i.quality) for i in images]
    return Enrolment(patient_id=patient_id, images=enrolled)


async def _templates(state: GatewayState, prepared: Sequence[Prepared]) -> list[Template]:
    """Return one template for each image, in the order of the uploads."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(prepared):
        groups[image.modality.name].append(index)
    templates: dict[int, Template] = {}
    for modality, indexes in groups.items():
        answer = await state.services.identifiers[modality].templates([prepared[i].view for i in indexes])
        for index, message in zip(indexes, answer.templates, strict=True):
            local = message.local.data if message.local else None
            templates[index] = Template(
                modality, answer.model, decode_embedding(message.embedding), message.quality, local
            )
    return [templates[index] for index in range(len(prepared))]
