"""Messages of the public API. Names and shapes are fixed: fields may be added, none renamed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
PatientId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Decision = Literal["identified", "candidates", "unknown"]
OperatingPoint = Literal["strict", "standard", "investigation"]


class Message(BaseModel):
    """Base of all messages: unknown fields are refused, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


class Candidate(Message):
    """One enrolled patient who may be the person in the picture."""

    patient_id: PatientId
    confidence: Annotated[Probability, Field(description="Calibrated probability that this is the patient.")]
    similarity: Annotated[float, Field(ge=-1.0, le=1.0, description="Cosine of probe and best gallery template.")]
    inliers: Annotated[
        int | None, Field(ge=0, description="Keypoints that agree geometrically; null where none were compared.")
    ]
    image_id: Annotated[str, Field(description="The enrolled image that is nearest.")]


class Subtype(Message):
    """A kind within the modality: the sequence of an MRI, the side of an eye."""

    name: str
    confidence: Probability


class ModalityVerdict(Message):
    """Which modality the image is, and who says so."""

    label: str
    confidence: Probability
    source: Literal["compa", "dicom", "caller"]
    probabilities: Annotated[
        dict[str, Probability], Field(description="COMPA's answer; empty where COMPA was not asked.")
    ]
    conflict: Annotated[bool, Field(description="COMPA is sure of something else than the DICOM header says.")]
    subtype: Annotated[
        Subtype | None, Field(description="the likeliest, of an upright image; null where COMPA knows none")
    ] = None


class ModelDigests(Message):
    """Which models answered."""

    compa: Digest | None
    identifier: Digest


class Timings(Message):
    """Milliseconds spent in each part of the way."""

    decode: float
    classify: float
    preprocess: float
    identify: float
    total: float


class Identification(Message):
    """Whose image it is: a patient, candidates for a human to choose from, or an honest unknown."""

    request_id: str
    decision: Decision
    patient_id: Annotated[PatientId | None, Field(description="null unless identified")]
    confidence: Annotated[Probability, Field(description="of the top candidate; 0 when there is none")]
    threshold: Annotated[
        Probability, Field(description="what identified, or would have; 1 at `investigation`, which identifies nobody")
    ]
    operating_point: Annotated[
        OperatingPoint | None, Field(description="whose threshold it is; null where the request brought its own")
    ]
    unknown_probability: Annotated[Probability, Field(description="that the person is nobody who is enrolled")]
    candidates: Annotated[list[Candidate], Field(max_length=10)]
    modality: ModalityVerdict
    model: ModelDigests
    timings_ms: Timings


class Verification(Message):
    """Whether the image shows the patient that the chart says."""

    request_id: str
    match: bool
    patient_id: PatientId
    confidence: Probability
    similarity: Annotated[float, Field(ge=-1.0, le=1.0)]
    inliers: Annotated[int | None, Field(ge=0)]
    threshold: Probability
    modality: ModalityVerdict
    model: ModelDigests
    timings_ms: Timings


class EnrolledImage(Message):
    """One image that was enrolled."""

    image_id: str
    modality: str
    quality: Annotated[Probability, Field(description="0 useless (flat, black) to 1 good.")]


class Enrolment(Message):
    """What was enrolled; everything in it can be found from now on."""

    patient_id: PatientId
    images: list[EnrolledImage]


class ImageMetadata(EnrolledImage):
    """One enrolled image in the patient's history."""

    reference: str | None
    acquired_at: datetime | None
    enrolled_at: datetime
    model: Digest


class PatientSummary(Message):
    """One line of the list of patients."""

    patient_id: PatientId
    images: Annotated[int, Field(ge=0)]
    modalities: list[str]
    created_at: datetime


class PatientPage(Message):
    """One page of patients; `next` goes into `after` of the next request and is null on the last page."""

    items: list[PatientSummary]
    next: str | None


class Patient(Message):
    """One patient with the imaging history in time order (acquisition, else enrolment)."""

    patient_id: PatientId
    created_at: datetime
    images: list[ImageMetadata]


class ErasureReceipt(Message):
    """Proof of erasure, given once. The receipt that is stored does not name the patient."""

    patient_id: PatientId
    images_erased: Annotated[int, Field(ge=0)]
    receipt_id: str
    erased_at: datetime


class PointThresholds(Message):
    """The confidence that identifies at each operating point of a modality."""

    strict: Annotated[
        Probability | None, Field(description="null while the service is not ready, and where its model has none")
    ]
    standard: Probability
    investigation: Annotated[Probability, Field(description="always 1, and not even that identifies")]


class ModalityStatus(Message):
    """One modality as the gateway sees it."""

    name: str
    title: str
    ready: bool
    threshold: Annotated[Probability, Field(description="that of `standard`")]
    operating_points: PointThresholds
    model: Annotated[Digest | None, Field(description="null while the service is not ready")]
    enrolled_patients: Annotated[int, Field(ge=0)]
    enrolled_images: Annotated[int, Field(ge=0)]
    outdated_images: Annotated[
        int, Field(ge=0, description="templates of another model, not searched until the image is enrolled again")
    ]


class ModalityList(Message):
    """The registry as the gateway sees it."""

    items: list[ModalityStatus]


class Problem(BaseModel):
    """RFC 9457 problem details; some types add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    instance: str
    request_id: str
