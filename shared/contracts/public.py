"""Messages of the public API. Names and shapes are fixed: fields may be added, none renamed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
PatientId = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$", examples=["P-0007"]),
]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Decision = Literal["identified", "candidates", "unknown"]
OperatingPoint = Literal["strict", "standard", "investigation"]

IMAGE_ID, DIGEST = "01JD3Q4M9T7V2X5Z8B1C6F0GHK", "sha256:" + "4f" * 32
"""Of the examples."""


def _example(**fields: Any) -> ConfigDict:
    """A message refuses unknown fields, so that a misspelt one is not ignored; OpenAPI shows the example."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [fields]})


class Message(BaseModel):
    """Base of all messages: unknown fields are refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid")


class Candidate(Message):
    """One enrolled patient who may be the person in the image."""

    patient_id: PatientId
    confidence: Annotated[Probability, Field(description="Calibrated probability that this is the patient.")]
    similarity: Annotated[
        float, Field(ge=-1.0, le=1.0, description="Cosine similarity of the probe and the nearest enrolled image.")
    ]
    inliers: Annotated[
        int | None,
        Field(ge=0, description="Keypoints that agree geometrically; null if keypoints were not compared."),
    ]
    image_id: Annotated[str, Field(description="The nearest enrolled image.")]


class Subtype(Message):
    """A kind within the modality, such as the sequence of an MRI or the side of an eye."""

    name: str
    confidence: Probability


class ModalityVerdict(Message):
    """The modality of the image, and the source of that knowledge."""

    label: str
    confidence: Annotated[Probability, Field(description="COMPA's probability of `label`.")]
    source: Annotated[
        Literal["compa", "dicom", "caller"],
        Field(description="`compa`: the classifier; `dicom`: the file's header; `caller`: the field `modality`."),
    ]
    probabilities: Annotated[dict[str, Probability], Field(description="COMPA's probability of each label.")]
    conflict: Annotated[
        bool,
        Field(
            description="COMPA gives 0.9 or more to another modality than the DICOM header, or the field `modality`,"
            " states. Then no patient is named."
        ),
    ]
    subtype: Annotated[
        Subtype | None, Field(description="The most probable sub-type; null if COMPA knows none of this modality.")
    ] = None


class ProbeImage(Message):
    """What became of one image of the request."""

    index: Annotated[int, Field(ge=0, description="Its place among the parts named `file`, from 0.")]
    modality: Annotated[str | None, Field(description="null if the image was left out.")]
    accepted: Annotated[
        bool,
        Field(description="False if COMPA refused the image: it looks like none of the modalities and was left out."),
    ]
    patient_id: Annotated[
        PatientId | None,
        Field(
            description="The patient whom this image supports, scored on its own; null if none is likelier than a"
            " person who is not enrolled."
        ),
    ]
    confidence: Annotated[
        Probability,
        Field(description="Confidence of the likeliest patient, from this image alone; 0 if there is none."),
    ]


class ModelDigests(Message):
    """The models that answered."""

    compa: Digest | None
    identifier: Digest


class Timings(Message):
    """Milliseconds of each stage in the gateway. `identify` includes the call of the modality's service."""

    decode: float
    classify: float
    preprocess: float
    identify: float
    total: float


VERDICT = {
    "label": "ct",
    "confidence": 0.998,
    "source": "compa",
    "probabilities": {"ct": 0.998, "mri": 0.001, "fundus": 0.0, "skin": 0.0, "xray": 0.0, "other": 0.001},
    "conflict": False,
    "subtype": None,
}
DIGESTS = {"compa": DIGEST, "identifier": DIGEST}
TIMINGS = {"decode": 2.1, "classify": 5.0, "preprocess": 1.9, "identify": 26.2, "total": 35.4}


class Identification(Message):
    """Whose image it is: an identified patient, candidates for a person to choose from, or unknown."""

    model_config = _example(
        request_id=IMAGE_ID,
        decision="identified",
        patient_id="P-0007",
        confidence=0.93,
        threshold=0.75,
        operating_point="standard",
        unknown_probability=0.05,
        candidates=[
            {"patient_id": "P-0007", "confidence": 0.93, "similarity": 0.81, "inliers": 42, "image_id": IMAGE_ID},
            {"patient_id": "P-0031", "confidence": 0.02, "similarity": 0.44, "inliers": 5, "image_id": IMAGE_ID},
        ],
        modality=VERDICT,
        images=[{"index": 0, "modality": "ct", "accepted": True, "patient_id": "P-0007", "confidence": 0.93}],
        consistent=True,
        model=DIGESTS,
        timings_ms=TIMINGS,
    )

    request_id: str
    decision: Decision
    patient_id: Annotated[PatientId | None, Field(description="null unless `decision` is `identified`.")]
    confidence: Annotated[Probability, Field(description="Confidence of the first candidate; 0 if there is none.")]
    threshold: Annotated[Probability, Field(description="Confidence from which the first candidate is `identified`.")]
    operating_point: Annotated[
        OperatingPoint | None,
        Field(description="Operating point of the threshold; null if the request stated a threshold of its own."),
    ]
    unknown_probability: Annotated[Probability, Field(description="Probability that the person is not enrolled.")]
    candidates: Annotated[
        list[Candidate], Field(max_length=10, description="Best first; empty if no patient is enrolled.")
    ]
    modality: ModalityVerdict
    images: Annotated[list[ProbeImage], Field(description="All images of the request, in its order.")]
    consistent: Annotated[
        bool,
        Field(
            description="False if two images name different patients, or fewer than two images support the patient"
            " whom all images together would name. Then no patient is named."
        ),
    ]
    model: ModelDigests
    timings_ms: Timings


class Verification(Message):
    """Whether the image shows the patient that the chart names."""

    model_config = _example(
        request_id=IMAGE_ID,
        match=True,
        patient_id="P-0007",
        confidence=0.97,
        similarity=0.81,
        inliers=42,
        threshold=0.75,
        modality=VERDICT,
        model=DIGESTS,
        timings_ms=TIMINGS,
    )

    request_id: str
    match: Annotated[bool, Field(description="`confidence` is at least `threshold`.")]
    patient_id: PatientId
    confidence: Annotated[Probability, Field(description="Calibrated probability that this is the patient.")]
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
    quality: Annotated[Probability, Field(description="From 0 (flat or black) to 1 (good).")]


class Enrolment(Message):
    """The images that were enrolled. They can be found as soon as this answer is sent."""

    model_config = _example(patient_id="P-0007", images=[{"image_id": IMAGE_ID, "modality": "ct", "quality": 0.86}])

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
    """One page of patients. Send `next` as `after` for the next page; it is null on the last page."""

    model_config = _example(
        items=[{"patient_id": "P-0007", "images": 3, "modalities": ["ct"], "created_at": "2026-01-31T10:30:00Z"}],
        next="P-0007",
    )

    items: list[PatientSummary]
    next: str | None


class Patient(Message):
    """One patient and the enrolled images, ordered by time of acquisition, otherwise of enrolment."""

    model_config = _example(
        patient_id="P-0007",
        created_at="2026-01-31T10:30:00Z",
        images=[
            {
                "image_id": IMAGE_ID,
                "modality": "ct",
                "quality": 0.86,
                "reference": "study 17, series 2",
                "acquired_at": "2025-11-02T08:15:00Z",
                "enrolled_at": "2026-01-31T10:30:00Z",
                "model": DIGEST,
            }
        ],
    )

    patient_id: PatientId
    created_at: datetime
    images: list[ImageMetadata]


class ErasureReceipt(Message):
    """Proof of an erasure. This answer is the only place that names the patient; the stored receipt does not."""

    model_config = _example(patient_id="P-0007", images_erased=3, receipt_id=IMAGE_ID, erased_at="2026-02-01T09:00:00Z")

    patient_id: PatientId
    images_erased: Annotated[int, Field(ge=0)]
    receipt_id: str
    erased_at: datetime


class PointThresholds(Message):
    """Confidence from which a patient is identified, at each operating point of a modality."""

    strict: Annotated[
        Probability | None, Field(description="null while the service is not ready, and if its model has none.")
    ]
    standard: Probability
    investigation: Annotated[Probability, Field(description="Always 1: this point never identifies a patient.")]


class ModalityStatus(Message):
    """One modality as the gateway sees it."""

    name: str
    title: str
    ready: bool
    threshold: Annotated[Probability, Field(description="Threshold of the operating point `standard`.")]
    operating_points: PointThresholds
    model: Annotated[Digest | None, Field(description="null while the service is not ready.")]
    enrolled_patients: Annotated[int, Field(ge=0)]
    enrolled_images: Annotated[int, Field(ge=0)]
    outdated_images: Annotated[
        int, Field(ge=0, description="Images enrolled with another model. Enrol them again so that they can be found.")
    ]


class ModalityList(Message):
    """All modalities, in the order of the registry."""

    model_config = _example(
        items=[
            {
                "name": "ct",
                "title": "Chest CT",
                "ready": True,
                "threshold": 0.75,
                "operating_points": {"strict": 0.97, "standard": 0.75, "investigation": 1.0},
                "model": DIGEST,
                "enrolled_patients": 120,
                "enrolled_images": 340,
                "outdated_images": 0,
            }
        ]
    )

    items: list[ModalityStatus]


class Problem(BaseModel):
    """RFC 9457 problem details. Some types add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    instance: str
    request_id: str
