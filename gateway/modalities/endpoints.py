"""`GET /v1/modalities`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends

from gateway.auth.dependencies import any_caller
from gateway.auth.scopes import Caller
from gateway.error_responses import STORE_ERRORS
from gateway.state import State
from shared.contracts.internal import ModelDescription
from shared.contracts.public import ModalityList, ModalityStatus
from shared.errors import responses
from shared.gallery.interface import ModalityCount
from shared.identification.operating_points import point_thresholds
from shared.modalities import Modality

router = APIRouter(prefix="/v1", tags=["modalities"])


@router.get("/modalities", responses=responses(*STORE_ERRORS))
async def list_modalities(_caller: Annotated[Caller, Depends(any_caller)], state: State) -> ModalityList:
    """List every modality: is its service ready, its model and thresholds, and how many images are enrolled."""
    entries = list(state.registry)
    models = await asyncio.gather(*(state.services.identifiers[entry.name].model() for entry in entries))
    counts = await state.gallery.counts()
    return ModalityList(items=[_status(e, m, counts) for e, m in zip(entries, models, strict=True)])


def _status(entry: Modality, model: ModelDescription | None, counts: Sequence[ModalityCount]) -> ModalityStatus:
    """Count the images of the current model; while the service is down, of the model with most images."""
    own = [count for count in counts if count.modality == entry.name]
    digest = model.model if model else max(own, key=lambda c: c.images).model_digest if own else None
    current = next((count for count in own if count.model_digest == digest), None)
    return ModalityStatus(
        name=entry.name,
        title=entry.title,
        ready=model is not None,
        threshold=entry.threshold,
        operating_points=point_thresholds(entry.threshold, model.strict_threshold if model else None),
        model=model.model if model else None,
        enrolled_patients=current.patients if current else 0,
        enrolled_images=current.images if current else 0,
        outdated_images=sum(count.images for count in own if count is not current),
    )
