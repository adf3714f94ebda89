"""The schema of `model.json`, the manifest of a model folder.

A model folder holds `model.tflite`, `cohort.npy`, `model.json` and `CARD.md` (for people).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.modalities import RecipeSpec

MODEL_FILE = "model.tflite"
MANIFEST_FILE = "model.json"
COHORT_FILE = "cohort.npy"
"""Embeddings of training patients, float16 (n, 256): see `shared.identification.cohort`."""


class Calibration(BaseModel):
    """Parameters of `shared.identification.calibration`, fitted on validation patients."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Annotated[float, Field(gt=0, description="Inverse temperature: log likelihood ratio per unit of cosine.")]
    offset: Annotated[float, Field(description="Log likelihood ratio at cosine 0; includes the prior of a stranger.")]
    similarity_limit: Annotated[
        float | None,
        Field(gt=0, description="Largest log likelihood ratio of a cosine, before the offset. None: no limit."),
    ] = None
    size_exponent: Annotated[
        float, Field(ge=0, description="How the odds of a stranger grow with the number of enrolled patients.")
    ] = 1.0
    keypoint_worth: Annotated[
        float, Field(ge=0, description="Growth of the log likelihood ratio with matching keypoints. 0: not used.")
    ] = 0.0
    keypoint_chance: Annotated[
        float, Field(gt=0, description="Weight of keypoints that match by chance. Weights below it say little.")
    ] = 8.0
    repeat_offset: Annotated[
        float | None,
        Field(
            description="Log likelihood ratio of a repeat shot without matching keypoints. None: all images of a"
            " patient show the same surface."
        ),
    ] = None
    cohort_weight: Annotated[
        float, Field(ge=0, description="Share of the probe's cohort level that is subtracted from cosines. 0: none.")
    ] = 0.0
    cohort_level: Annotated[float, Field(description="Cohort level, a cosine, at which nothing is subtracted.")] = 0.0
    rival_weight: Annotated[
        float, Field(ge=0, description="Share of the rivals' level that is subtracted from log ratios. 0: none.")
    ] = 0.0
    rival_level: Annotated[
        float, Field(description="Rivals' level, a log likelihood ratio, at which nothing is subtracted.")
    ] = 0.0


class OperatingPoints(BaseModel):
    """Thresholds that belong to this network and calibration. The registry has its own thresholds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strict: Annotated[float, Field(gt=0, le=1, description="Confidence that 0.3 % of strangers reach.")]
    strict_origin: Annotated[str, Field(description="How it was chosen: see `training.calibration.strict_threshold`.")]


class Rejection(BaseModel):
    """When COMPA refuses an image: if the probability of `other` reaches the threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(gt=0)] = 1.0
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5


class Golden(BaseModel):
    """The trained network's answer to `shared.models.golden.golden_image`; checked before a service is ready."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: tuple[float, ...]
    minimum_cosine: float = 0.999


class ModelManifest(BaseModel):
    """The content of `model.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["classifier", "identifier"]
    name: str
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    labels: tuple[str, ...] = ()
    subtypes: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="Sub-types by label. Their probabilities follow those of the labels, in this order."),
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
        Field(description="None if the calibration had too few validation patients."),
    ] = None
    rejection: Rejection | None = None
    golden: Golden
    training: Annotated[dict[str, Any], Field(description="Configuration, seed, data and figures of the training.")]

    @property
    def strict_threshold(self) -> float | None:
        """The threshold of the operating point `strict`, 0 to 1; None if the model has none."""
        return self.operating_points.strict if self.operating_points else None


def file_digest(path: Path) -> str:
    """Return `sha256:` and the hex digest of a file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def read_manifest(folder: Path, *, calibrated: bool = True) -> ModelManifest:
    """Read and check the manifest of a model folder.

    With `calibrated=False` the calibration is left out. Use it before a new fit: the old calibration may come from
    another version of the software. Raises ValueError if the manifest is missing, malformed, or describes other files.
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
                f"{folder.name}/{MANIFEST_FILE}: the calibration comes from another version of the software;"
                " fit it again (python -m training.calibration.recalibrate)"
            ) from None
        raise
    if file_digest(folder / MODEL_FILE) != manifest.digest:
        raise ValueError(
            f"{folder.name}/{MODEL_FILE} is not the file that {MANIFEST_FILE} describes: restore both of one training"
        )
    cohort = folder / COHORT_FILE
    if manifest.cohort and not (cohort.is_file() and file_digest(cohort) == manifest.cohort):
        raise ValueError(
            f"{folder.name}/{COHORT_FILE} is not the file that {MANIFEST_FILE} describes: restore both of one training"
        )
    return manifest
