"""A model folder as it ships: `model.tflite`, `cohort.npy`, `model.json` (this schema) and `CARD.md` for people."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.modalities import RecipeSpec
from shared.models.protocols import NETWORK_SIZE, Pixels

MODEL_FILE = "model.tflite"
MANIFEST_FILE = "model.json"
COHORT_FILE = "cohort.npy"
"""Embeddings of training patients, float16 (n, 256): see `shared.identification.cohort`."""


class Calibration(BaseModel):
    """Parameters of `shared.identification.calibration`, fitted on validation subjects."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Annotated[float, Field(gt=0, description="Inverse temperature: log likelihood ratio per unit of cosine.")]
    offset: Annotated[float, Field(description="Log likelihood ratio at cosine 0, the prior of a stranger included.")]
    similarity_limit: Annotated[
        float | None,
        Field(gt=0, description="Log likelihood ratio that cosines cannot exceed, before the offset; None: no limit."),
    ] = None
    size_exponent: Annotated[
        float, Field(ge=0, description="How the odds of a stranger grow with the number enrolled.")
    ] = 1.0
    keypoint_worth: Annotated[
        float, Field(ge=0, description="How the log likelihood ratio grows with keypoints that agree; 0: part unused.")
    ] = 0.0
    keypoint_chance: Annotated[
        float, Field(gt=0, description="Weight of keypoints that agree up to which they say little: chance.")
    ] = 8.0
    repeat_offset: Annotated[
        float | None,
        Field(
            description="Log likelihood ratio of a repeat shot in which none agree; None: every comparison of a"
            " patient's pictures shows the same surface, so there are no others."
        ),
    ] = None
    cohort_weight: Annotated[
        float, Field(ge=0, description="How much of the probe's level in the cohort is taken off cosines; 0: nothing.")
    ] = 0.0
    cohort_level: Annotated[float, Field(description="The level from which it is counted, a cosine.")] = 0.0
    rival_weight: Annotated[
        float, Field(ge=0, description="How far the level of the probe's other candidates is taken off; 0: not at all.")
    ] = 0.0
    rival_level: Annotated[float, Field(description="The level from which it is counted, a log likelihood ratio.")] = (
        0.0
    )


class OperatingPoints(BaseModel):
    """Thresholds that belong to this network with this calibration; what the registry says is not among them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strict: Annotated[float, Field(gt=0, le=1, description="Confidence that 0.3 % of strangers reach.")]
    strict_origin: Annotated[
        str, Field(description="What it was chosen by: see `training.calibration.strict_threshold`.")
    ]


class Rejection(BaseModel):
    """When COMPA refuses an image: where the probability of `other` reaches the threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(gt=0)] = 1.0
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5


class Golden(BaseModel):
    """What the network answers to the generated golden image; checked before a service says that it is ready."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: tuple[float, ...]
    minimum_cosine: float = 0.999


class ModelManifest(BaseModel):
    """`model.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["classifier", "identifier"]
    name: str
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    labels: tuple[str, ...] = ()
    subtypes: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="By label: what the numbers of an answer after the labels' stand for, in this order."),
    ] = {}
    output_size: Annotated[int, Field(gt=0)]
    trunk: str
    recipe: Annotated[RecipeSpec | None, Field(description="The recipe that the network was trained with.")] = None
    calibration: Calibration | None = None
    cohort: Annotated[
        str | None, Field(pattern=r"^sha256:[0-9a-f]{64}$", description="Digest of `cohort.npy`; None without one.")
    ] = None
    operating_points: Annotated[
        OperatingPoints | None,
        Field(description="None where too few validation subjects stood behind the calibration."),
    ] = None
    rejection: Rejection | None = None
    golden: Golden
    training: Annotated[dict[str, Any], Field(description="Configuration, seed, data and figures of the training.")]

    @property
    def strict_threshold(self) -> float | None:
        """Of the operating point `strict`, in 0-1; None where the model has none."""
        return self.operating_points.strict if self.operating_points else None


def file_digest(path: Path) -> str:
    """`sha256:` and the hex digest of a file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def golden_image() -> Pixels:
    """uint8 (1, 224, 224, 3): a generated pattern of gradients, rings and seeded noise; no picture of anybody."""
    y, x = np.mgrid[0:NETWORK_SIZE, 0:NETWORK_SIZE].astype(np.float32) / (NETWORK_SIZE - 1)
    rings = 0.5 + 0.5 * np.sin(40.0 * np.hypot(x - 0.45, y - 0.55))
    noise = np.random.default_rng(20240229).random((NETWORK_SIZE, NETWORK_SIZE), dtype=np.float32)
    channels = np.stack([x * rings, y * (1 - rings), 0.7 * rings + 0.3 * noise], axis=-1)
    return np.round(255 * channels).astype(np.uint8)[np.newaxis]


def read_manifest(folder: Path, *, calibrated: bool = True) -> ModelManifest:
    """The manifest of a model folder; ValueError where it is missing, malformed or not that of the model file.

    Without its calibration where that is to be fitted anew: then it may be of another version of the software.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file() or not (folder / MODEL_FILE).is_file():
        raise ValueError(f"{folder.name}/ holds no model: it needs {MANIFEST_FILE} and {MODEL_FILE} (see make train)")
    described = json.loads(path.read_bytes())
    if not calibrated:
        described.pop("calibration", None)
    try:
        manifest = ModelManifest.model_validate(described)
    except ValidationError as error:
        if all(problem["loc"][:1] == ("calibration",) for problem in error.errors()):
            raise ValueError(
                f"{folder.name}/{MANIFEST_FILE}: the calibration is of another version of the software; fit it again"
                " (python -m training.calibration.recalibrate)"
            ) from None
        raise
    if file_digest(folder / MODEL_FILE) != manifest.digest:
        raise ValueError(
            f"{folder.name}/{MODEL_FILE} is not the file that {MANIFEST_FILE} describes: restore both of one training"
        )
    if manifest.cohort and _digest_of(folder / COHORT_FILE) != manifest.cohort:
        raise ValueError(
            f"{folder.name}/{COHORT_FILE} is not the file that {MANIFEST_FILE} describes: restore both of one training"
        )
    return manifest


def _digest_of(path: Path) -> str | None:
    """None where there is no such file."""
    return file_digest(path) if path.is_file() else None
