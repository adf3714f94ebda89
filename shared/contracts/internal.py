"""Messages between the gateway and the model services; images travel as `application/x-npy` (images/npy_codec)."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from shared.contracts.public import Digest, Message, PatientId, Probability, Subtype

NPY_MEDIA_TYPE = "application/x-npy"
EMBEDDING_DIMENSION = 256
"""Length of the global part of every template, in all modalities: the width of the gallery's vector column."""

DEADLINE_HEADER = "x-deadline-ms"
"""Milliseconds that the caller will still wait. A service drops work after its deadline."""
REQUEST_ID_HEADER = "x-request-id"
SERVICE_HEADER = "x-medreid-service"
"""Name of the service that the call is meant for. Any other service refuses the call: addresses of replicas are reused,
and an image of one modality must never be searched in the gallery of another."""


def _decoded(value: Any) -> Any:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


Base64InJson = Annotated[
    bytes,
    BeforeValidator(_decoded),
    PlainSerializer(lambda data: base64.b64encode(data).decode("ascii"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "base64"}),
]
"""Bytes in Python, base64 in JSON."""


class ServiceMessage(Message):
    """Base of the messages between services. Unknown fields are ignored, so that versions can differ in an upgrade."""

    model_config = ConfigDict(extra="ignore")


class Classification(ServiceMessage):
    """COMPA's answer for a batch: `probabilities[i][j]` is image i's probability of `labels[j]`; rows sum to 1."""

    model: Digest
    labels: list[str]
    probabilities: list[list[Probability]]
    accepted: Annotated[list[bool], Field(description="False if the image must be refused as none of the modalities.")]
    subtypes: Annotated[
        list[Subtype | None],
        Field(
            default_factory=list, description="Most probable sub-type of the most probable label; null if it has none."
        ),
    ]


StrictThreshold = Annotated[
    Probability | None, Field(description="Threshold of the operating point `strict`; null if the model has none.")
]


class CandidateMessage(ServiceMessage):
    """One enrolled patient near the probe, with the calibrated probability that the probe shows this patient."""

    patient_id: PatientId
    image_id: str
    similarity: Annotated[float, Field(ge=-1.0, le=1.0)]
    inliers: Annotated[int | None, Field(ge=0)] = None
    probability: Probability


class ImageEvidence(ServiceMessage):
    """The most probable patient of one image of a probe, scored on its own; null if no patient is enrolled."""

    patient_id: PatientId | None
    probability: Probability
    unknown_probability: Probability


class IdentifyAnswer(ServiceMessage):
    """Answer of `POST /v1/identify`. The probabilities of all enrolled patients and of `unknown` sum to 1."""

    model: Digest
    enrolled_patients: Annotated[int, Field(ge=0)]
    matches: list[CandidateMessage]
    unknown_probability: Probability
    images: Annotated[
        list[ImageEvidence],
        Field(default_factory=list, description="Evidence of each image of a probe of several; empty for one image."),
    ]
    strict_threshold: StrictThreshold = None


class VerifyAnswer(ServiceMessage):
    """Answer of `POST /v1/verify`: how probable it is that the probe shows the claimed patient."""

    model: Digest
    match: CandidateMessage


class LocalTemplate(ServiceMessage):
    """Packed keypoints (`shared.keypoints.packing`): the local part of a template, at most 40 kB."""

    kind: Literal["sift"] = "sift"
    data: Base64InJson


class TemplateMessage(ServiceMessage):
    """One template, ready to be written to the gallery."""

    embedding: Annotated[Base64InJson, Field(description=f"{EMBEDDING_DIMENSION} little-endian float32, L2-normalised")]
    local: LocalTemplate | None = None
    quality: Probability


class Templates(ServiceMessage):
    """Answer of `POST /v1/templates`: one template per image, in input order."""

    model: Digest
    templates: list[TemplateMessage]


class ModelDescription(ServiceMessage):
    """Answer of `GET /v1/model`."""

    modality: str
    model: Digest
    strict_threshold: StrictThreshold = None
