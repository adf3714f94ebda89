"""`POST /v1/verify`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form

from gateway.audit import AuditEvent
from gateway.auth.dependencies import requires
from gateway.auth.scopes import Caller, Scope
from gateway.error_responses import UPLOAD_ERRORS
from gateway.identification_flow import StageTimer
from gateway.pipeline import joint_verdict
from gateway.state import State
from gateway.uploads import AcceptAny, ModalityField, OptionalField, Uploads, only_fields
from shared.contracts.public import ModelDigests, PatientId, Probability, Verification
from shared.errors import NotFound, responses
from shared.service.context import id_of_request

router = APIRouter(prefix="/v1", tags=["verify"])


@router.post(
    "/verify",
    responses=responses(*UPLOAD_ERRORS, NotFound),
    dependencies=[Depends(only_fields("patient_id", "modality", "threshold", "accept_any"))],
)
async def verify(
    file: Uploads,
    patient_id: Annotated[PatientId, Form(description="The patient that the chart names.")],
    caller: Annotated[Caller, requires(Scope.VERIFY)],
    state: State,
    accept_any: AcceptAny,
    modality: ModalityField = None,
    threshold: Annotated[
        Probability | None, OptionalField(), Form(description="Confidence from which the answer is a match.")
    ] = None,
) -> Verification:
    """Tell whether an image shows the patient that the chart names. All parts named `file` are of one person."""
    timer = StageTimer()
    async with state.audit.recording_not_found(caller.caller_id, "verify"):
        prepared, answer = await state.flow.run(
            file, modality, lambda one, views: one.verify(views, patient_id), timer, accept_any=accept_any
        )
    entry, verdict = prepared[0].modality, joint_verdict(prepared)
    wanted = entry.verify_threshold if threshold is None else threshold
    match = answer.match.probability >= wanted and (accept_any or not verdict.conflict)
    outcome = "match" if match else "no match"
    event = AuditEvent(
        caller.caller_id, "verify", outcome, entry.name, answer.model, answer.match.probability, patient_id
    )
    await state.audit.record(event)
    return Verification(
        request_id=id_of_request(),
        match=match,
        patient_id=patient_id,
        confidence=answer.match.probability,
        similarity=answer.match.similarity,
        inliers=answer.match.inliers,
        threshold=wanted,
        modality=verdict,
        model=ModelDigests(compa=prepared[0].compa_digest, identifier=answer.model),
        timings_ms=timer.timings(),
    )
