"""`POST /v1/identify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form

from gateway.audit import AuditEvent
from gateway.auth.dependencies import requires
from gateway.auth.scopes import Caller, Scope
from gateway.error_responses import UPLOAD_ERRORS
from gateway.identification_flow import StageTimer
from gateway.pipeline import Prepared, joint_verdict
from gateway.state import State
from gateway.uploads import AcceptAny, ModalityField, OptionalField, Uploads, only_fields
from shared.contracts.internal import IdentifyAnswer, ImageEvidence
from shared.contracts.public import Candidate, Identification, ModelDigests, OperatingPoint, Probability, ProbeImage
from shared.errors import BadUpstream, InvalidInput, NoOperatingPoint, responses
from shared.identification.decision import decide, images_agree, supported_patient
from shared.identification.operating_points import NEVER, point_threshold
from shared.modalities import Modality
from shared.service.context import id_of_request

router = APIRouter(prefix="/v1", tags=["identify"])


@router.post(
    "/identify",
    responses=responses(*UPLOAD_ERRORS, NoOperatingPoint),
    dependencies=[Depends(only_fields("modality", "top_k", "threshold", "operating_point", "accept_any"))],
)
async def identify(
    file: Uploads,
    caller: Annotated[Caller, requires(Scope.IDENTIFY)],
    state: State,
    accept_any: AcceptAny,
    modality: ModalityField = None,
    top_k: Annotated[int, Form(ge=1, le=10, description="Maximum candidates in the answer, 1 to 10. Default: 3.")] = 3,
    threshold: Annotated[
        Probability | None,
        OptionalField(),
        Form(
            description="Confidence, 0 to 1, from which the answer is `identified` or a match. Default: that of the"
            " modality."
        ),
    ] = None,
    operating_point: Annotated[
        OperatingPoint | None,
        OptionalField(),
        Form(
            description="A named threshold instead of `threshold`. `standard` is the default. `strict` hardly ever"
            " names a wrong patient. `investigation` identifies no patient and lists the nearest candidates."
        ),
    ] = None,
) -> Identification:
    """Find the patient of an image: `identified`, `candidates` for a person to choose from, or `unknown`.

    Several parts named `file` are images of one person, such as the slices of a series.
    """
    if threshold is not None and operating_point is not None:
        raise InvalidInput("Send `threshold` or `operating_point`, not both: an operating point sets the threshold.")
    timer = StageTimer()
    prepared, matches = await state.flow.run(
        file, modality, lambda one, views: one.identify(views, top_k), timer, accept_any=accept_any
    )
    entry = prepared[0].modality
    limit = _threshold(entry, matches, threshold, operating_point)
    answer = _answer(prepared, matches, limit, timer, len(file), accept_any=accept_any)
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


Threshold = tuple[float | None, OperatingPoint | None]
"""The confidence that identifies (None: none does) and its operating point (None: the caller stated a threshold)."""


def _threshold(
    entry: Modality, matches: IdentifyAnswer, threshold: float | None, point: OperatingPoint | None
) -> Threshold:
    """Return the threshold of a request; raises NoOperatingPoint if the model does not have the point."""
    if threshold is not None:
        return threshold, None
    point = point or "standard"
    return point_threshold(point, entry.threshold, matches.strict_threshold), point


def _probe_images(prepared: Sequence[Prepared], evidence: Sequence[ImageEvidence], count: int) -> list[ProbeImage]:
    """Return what became of each of `count` uploads, and whom it supports."""
    known = dict(zip([image.index for image in prepared], zip(prepared, evidence, strict=True), strict=True))
    left_out = {"modality": None, "accepted": False, "patient_id": None, "confidence": 0.0}
    return [ProbeImage(index=i, **(_support(*known[i]) if i in known else left_out)) for i in range(count)]


def _support(image: Prepared, evidence: ImageEvidence) -> dict[str, Any]:
    return {
        "modality": image.modality.name,
        "accepted": True,
        "patient_id": supported_patient(evidence),
        "confidence": evidence.probability,
    }


def _evidence(matches: IdentifyAnswer, count: int) -> list[ImageEvidence]:
    """Return the evidence of each of `count` images. A single image has that of the whole probe.

    A service of the version before sends none for several images: then they support no patient.
    """
    if count == 1:
        first = matches.matches[0] if matches.matches else None
        return [
            ImageEvidence(
                patient_id=first.patient_id if first else None,
                probability=first.probability if first else 0.0,
                unknown_probability=matches.unknown_probability,
            )
        ]
    if not matches.images:
        return [ImageEvidence(patient_id=None, probability=0.0, unknown_probability=1.0)] * count
    if len(matches.images) != count:
        raise BadUpstream
    return matches.images


def _answer(
    prepared: list[Prepared],
    matches: IdentifyAnswer,
    threshold: Threshold,
    timer: StageTimer,
    count: int,
    *,
    accept_any: bool,
) -> Identification:
    limit, point = threshold
    verdict = joint_verdict(prepared)
    if verdict.conflict and not accept_any:
        limit = None  # an image of another modality names nobody
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
    decision = decide(top.confidence if top else None, matches.unknown_probability, limit)
    evidence = _evidence(matches, len(prepared))
    consistent = True
    if top and limit is not None and len(evidence) > 1:
        consistent = images_agree(evidence, decision, top.patient_id, limit)
    if not consistent:
        decision = "candidates"
    return Identification(
        request_id=id_of_request(),
        decision=decision,
        patient_id=top.patient_id if top and decision == "identified" else None,
        confidence=top.confidence if top else 0.0,
        threshold=NEVER if threshold[0] is None else threshold[0],
        operating_point=point,
        unknown_probability=matches.unknown_probability,
        candidates=candidates,
        modality=verdict,
        images=_probe_images(prepared, evidence, count),
        consistent=consistent,
        model=ModelDigests(compa=prepared[0].compa_digest, identifier=matches.model),
        timings_ms=timer.timings(),
    )
