"""`/v1/patients`: enrolment, list, history, erasure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Header, Path, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

from gateway.audit import AuditEvent
from gateway.auth.dependencies import requires
from gateway.auth.scopes import Caller, Scope
from gateway.error_responses import STORE_ERRORS, UPLOAD_ERRORS
from gateway.patients.enrolment import enrol, make_claim, to_enrolment
from gateway.state import State
from gateway.uploads import AcceptAny, ModalityField, OptionalField, Uploads, only_fields
from shared.contracts.public import (
    Enrolment,
    ErasureReceipt,
    ImageMetadata,
    Patient,
    PatientId,
    PatientPage,
    PatientSummary,
)
from shared.errors import Conflict, NotFound, responses
from shared.gallery.interface import ImageRecord

router = APIRouter(prefix="/v1/patients", tags=["patients"])

PatientInPath = Annotated[PatientId, Path(description="The hospital's identifier of the patient. Use a pseudonym.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Send the same key when you repeat a request: the images are enrolled once. Valid for 24 hours.",
    ),
]

DATE_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")
FIRST_RADIOGRAPH = datetime(1895, 1, 1, tzinfo=UTC)


def _date_and_time(value: Any) -> Any:
    """Refuse numbers: pydantic reads them as seconds since 1970, and so misreads a DICOM date such as 20240131."""
    if isinstance(value, str) and not DATE_AND_TIME.match(value):
        raise PydanticCustomError("datetime_form", "must be a time as in RFC 3339, such as 2024-01-31T10:30:00Z")
    return value


def _possible(time: datetime) -> datetime:
    """Refuse impossible times. Up to a day ahead is accepted: a clock or a time zone may be wrong."""
    if not FIRST_RADIOGRAPH <= time <= datetime.now(UTC) + timedelta(days=1):
        raise PydanticCustomError("datetime_range", "must be from 1895 on, and not in the future")
    return time


AcquiredAt = Annotated[AwareDatetime, BeforeValidator(_date_and_time), AfterValidator(_possible)]


@router.post(
    "/{patient_id}/images",
    status_code=201,
    responses=responses(*UPLOAD_ERRORS, Conflict),
    dependencies=[Depends(only_fields("modality", "reference", "acquired_at", "accept_any"))],
)
async def enrol_images(
    patient_id: PatientInPath,
    file: Uploads,
    caller: Annotated[Caller, requires(Scope.ENROL)],
    state: State,
    accept_any: AcceptAny,
    modality: ModalityField = None,
    reference: Annotated[
        str | None,
        OptionalField(),
        Form(max_length=200, description="Your note on the place of the image, such as a study UID."),
    ] = None,
    acquired_at: Annotated[
        AcquiredAt | None,
        OptionalField(),
        Form(description="Time of acquisition, RFC 3339 with a time zone, such as 2024-01-31T10:30:00Z."),
    ] = None,
    idempotency_key: IdempotencyKey = None,
) -> Enrolment:
    """Enrol images of one patient, all or none. A new patient is created. The images can be found at once."""
    claim, stored = None, None
    if idempotency_key is not None:
        asked = (modality, reference, acquired_at, *(["accept_any"] if accept_any else []))
        claim = make_claim(caller.caller_id, idempotency_key, patient_id, file, *asked)
        stored = await state.gallery.replay(claim)
    if stored is not None:
        answer = to_enrolment(patient_id, stored)
    else:
        prepared = await state.pipeline.prepare(file, modality, accept_any=accept_any)
        answer = await enrol(state, patient_id, prepared, _no_nul(reference), acquired_at, claim)
    # A repeated request is recorded, too: the first one may have failed between its enrolment and its event.
    outcome = f"{len(answer.images)} images{' again' if stored is not None else ''}"
    modalities = ",".join(sorted({image.modality for image in answer.images}))
    await state.audit.record(AuditEvent(caller.caller_id, "enrol", outcome, modalities, patient_id=patient_id))
    return answer


def _no_nul(text: str | None) -> str | None:
    """Remove NUL, the only character that PostgreSQL's text cannot hold."""
    return text.replace("\0", "") if text else text


@router.get("", responses=responses(*STORE_ERRORS))
async def list_patients(
    caller: Annotated[Caller, requires(Scope.ENROL, Scope.ADMIN)],
    state: State,
    after: Annotated[PatientId | None, Query(description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> PatientPage:
    """List the enrolled patients by identifier, one page at a time."""
    lines = await state.gallery.patients(after, limit + 1)
    items = [
        PatientSummary(
            patient_id=line.patient_id,
            images=line.images,
            modalities=list(line.modalities),
            created_at=line.created_at,
        )
        for line in lines[:limit]
    ]
    await state.audit.record(AuditEvent(caller.caller_id, "list", f"{len(items)} patients"))
    return PatientPage(items=items, next=items[-1].patient_id if len(lines) > limit else None)


@router.get("/{patient_id}", responses=responses(*STORE_ERRORS, NotFound))
async def get_patient(
    patient_id: PatientInPath, caller: Annotated[Caller, requires(Scope.ENROL, Scope.ADMIN)], state: State
) -> Patient:
    """Return one patient with all enrolled images in order of time."""
    async with state.audit.recording_not_found(caller.caller_id, "history"):
        record = await state.gallery.patient(patient_id)
    outcome = f"{len(record.images)} images"
    await state.audit.record(AuditEvent(caller.caller_id, "history", outcome, patient_id=patient_id))
    return Patient(
        patient_id=record.patient_id,
        created_at=record.created_at,
        images=[_metadata(image) for image in record.images],
    )


@router.delete("/{patient_id}", responses=responses(*STORE_ERRORS, NotFound))
async def erase_patient(
    patient_id: PatientInPath, caller: Annotated[Caller, requires(Scope.ERASE)], state: State
) -> ErasureReceipt:
    """Erase everything about a patient. Keep the receipt: the system does not store the erased patient's id."""
    async with state.audit.recording_not_found(caller.caller_id, "erase"), state.audit.unit_of_work():
        erasure = await state.gallery.erase(patient_id)
        await state.audit.record(AuditEvent(caller.caller_id, "erase", f"receipt {erasure.receipt_id}"))
    return ErasureReceipt(
        patient_id=patient_id,
        images_erased=erasure.images_erased,
        receipt_id=erasure.receipt_id,
        erased_at=erasure.erased_at,
    )


@router.delete("/{patient_id}/images/{image_id}", status_code=204, responses=responses(*STORE_ERRORS, NotFound))
async def erase_image(
    patient_id: PatientInPath,
    image_id: Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$", description="`image_id` of the enrolment.")],
    caller: Annotated[Caller, requires(Scope.ERASE)],
    state: State,
) -> None:
    """Erase one image. The patient remains, even without images."""
    async with state.audit.recording_not_found(caller.caller_id, "erase"), state.audit.unit_of_work():
        await state.gallery.erase_image(patient_id, image_id)
        await state.audit.record(AuditEvent(caller.caller_id, "erase", "1 image", patient_id=patient_id))


def _metadata(image: ImageRecord) -> ImageMetadata:
    return ImageMetadata(
        image_id=image.image_id,
        modality=image.modality,
        quality=image.quality,
        reference=image.reference,
        acquired_at=image.acquired_at,
        enrolled_at=image.enrolled_at,
        model=image.model_digest,
    )
