"""`POST /v1/identify`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form

from gateway.audit import AuditEvent
from gateway.auth.dependencies import requires
from gateway.auth.scopes import Caller, Scope
from gateway.errors import UPLOAD_ERRORS
from gateway.pipeline import Prepared, Stopwatch, joint_verdict
from gateway.state import State
from gateway.uploads import Uploads, only_fields
from shared.contracts.internal import Matches
from shared.contracts.public import Candidate, Identification, ModelDigests, Probability
from shared.errors import responses
from shared.identification.decision import decide
from shared.service.context import current_request

router = APIRouter(prefix="/v1", tags=["identify"])


@router.post(
    "/identify",
    responses=responses(*UPLOAD_ERRORS),
    dependencies=[Depends(only_fields("modality", "top_k", "threshold"))],
)
async def identify(
    file: Uploads,
    caller: Annotated[Caller, requires(Scope.IDENTIFY)],
    state: State,
    modality: Annotated[str | None, Form(description="Name of the modality; COMPA is not asked then.")] = None,
    top_k: Annotated[int, Form(ge=1, le=10, description="Candidates in the answer.")] = 3,
    threshold: Annotated[
        Probability | None, Form(description="Confidence from which the top candidate is `identified`.")
    ] = None,
) -> Identification:
    """Whose image it is: `identified`, `candidates` for a human to choose from, or `unknown`.

    Several parts named `file` are several images of one probe, such as the slices of a series.
    """
    watch = Stopwatch()
    prepared = await state.pipeline.prepare_probe(file, modality, watch)
    entry = prepared[0].modality
    matches = await state.services.identifiers[entry.name].identify([image.view for image in prepared], top_k)
    watch.lap("identify")
    answer = _answer(prepared, matches, entry.threshold if threshold is None else threshold, watch)
    state.metrics.decisions.labels(entry.name, answer.decision).inc()
    state.metrics.confidence.labels(entry.name).observe(answer.confidence)
    await state.audit.record(
        AuditEvent(
            caller.caller_id,
            "identify",
            answer.decision,
            entry.name,
            matches.model,
            answer.confidence,
            answer.patient_id,
        )
    )
    return answer


def _answer(prepared: list[Prepared], matches: Matches, threshold: float, watch: Stopwatch) -> Identification:
    context = current_request.get()
    candidates = [
        Candidate(
            patient_id=match.patient_id,
            confidence=match.probability,
            similarity=match.similarity,
            inliers=match.inliers,
            image_id=match.image_id,
        )
        for match in matches.matches
    ]
    top = candidates[0] if candidates else None
    decision = decide(top.confidence if top else None, matches.unknown_probability, threshold)
    return Identification(
        request_id=context.request_id if context else "",
        decision=decision,
        patient_id=top.patient_id if top and decision == "identified" else None,
        confidence=top.confidence if top else 0.0,
        threshold=threshold,
        unknown_probability=matches.unknown_probability,
        candidates=candidates,
        modality=joint_verdict(prepared),
        model=ModelDigests(compa=prepared[0].compa_digest, identifier=matches.model),
        timings_ms=watch.timings(),
    )
