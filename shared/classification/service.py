"""compa-service: the modality of an image."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, FastAPI
from numpy.typing import NDArray

from shared.contracts.internal import Classification
from shared.contracts.public import Subtype
from shared.errors import InvalidInput, responses
from shared.modalities.registry import OTHER
from shared.models.manifest import ModelManifest, Rejection
from shared.models.protocols import NETWORK_SIZE
from shared.service.app_factory import ServiceDescription, ServiceFrame, create_service
from shared.service.context import deadline_of_request
from shared.service.model import LoadedModel, ModelServiceSettings, loaded_model
from shared.service.npy_body import MODEL_ERRORS, NPY_BODY, Images

router = APIRouter(prefix="/v1", tags=["classification"])


@router.post("/classify", responses=responses(*MODEL_ERRORS), openapi_extra=NPY_BODY)
async def classify(images: Images, model: Annotated[LoadedModel, Depends(loaded_model)]) -> Classification:
    """Return probabilities of the modalities and `other` for each image, and whether it is `accepted`."""
    if images.shape[1:3] != (NETWORK_SIZE, NETWORK_SIZE):
        raise InvalidInput(f"The images have the wrong size. Send {NETWORK_SIZE} x {NETWORK_SIZE} pixels.")
    outputs = await model.queue.run(lambda session: session.run(images), deadline_of_request())
    return to_classification(outputs, model.manifest)


def to_classification(outputs: NDArray[np.float32], manifest: ModelManifest) -> Classification:
    """Return tempered probabilities, decisions on refusal and sub-types.

    `outputs` is float32 (n, labels and sub-types): the labels' probabilities first, that of `other` the last of them.
    """
    rejection = manifest.rejection or Rejection()
    labelled = outputs[:, : len(manifest.labels)].astype(np.float64)
    logits = np.log(np.clip(labelled, 1e-9, 1.0)) / rejection.temperature
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Classification(
        model=manifest.digest,
        labels=list(manifest.labels),
        probabilities=probabilities.round(6).tolist(),
        accepted=(probabilities[:, -1] < rejection.threshold).tolist(),
        subtypes=[_subtype(row, manifest) for row in outputs],
    )


def _subtype(answer: NDArray[np.float32], manifest: ModelManifest) -> Subtype | None:
    """Return the most probable sub-type of the most probable label; None if it has none."""
    start = len(manifest.labels)
    likeliest = manifest.labels[int(answer[:start].argmax())]
    for label, names in manifest.subtypes.items():
        if label == likeliest:
            own = answer[start : start + len(names)]
            return Subtype(name=names[int(own.argmax())], confidence=round(min(float(own.max()), 1.0), 6))
        start += len(names)
    return None


def create_classification_app(folder: Path, settings: ModelServiceSettings | None = None) -> FastAPI:
    """Return the application of a model folder. Raises ValueError if the folder holds no classifier."""
    settings = settings or ModelServiceSettings()
    frame = ServiceFrame(settings)
    model = LoadedModel(folder, frame, settings)
    if model.manifest.kind != "classifier" or model.manifest.labels[-1:] != (OTHER,):
        raise ValueError(
            f"{folder.name}/ holds no classifier whose last label is {OTHER}: train one with MODALITY=compa"
        )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with model.loading():
            yield {"model": model}

    description = ServiceDescription(
        name="compa-service",
        title="compa-service",
        description="Tells the modality of an image. Internal: the gateway calls it.",
        lifespan=lifespan,
        routers=[router],
        checks={"model": model.check},
        started=model.started,
    )
    return create_service(description, frame)
