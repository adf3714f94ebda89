"""The objects that all endpoints share. The lifespan opens them once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from gateway.audit import AuditTrail
from gateway.identification_flow import IdentificationFlow
from gateway.pipeline import Pipeline
from gateway.services import Services
from shared.gallery.postgres import PostgresGallery
from shared.modalities import Registry
from shared.service.metrics import Metrics


@dataclass(frozen=True)
class GatewayState:
    """The objects that all endpoints share."""

    registry: Registry
    services: Services
    pipeline: Pipeline
    flow: IdentificationFlow
    gallery: PostgresGallery
    audit: AuditTrail
    metrics: Metrics


async def _state(request: Request) -> GatewayState:
    """Return the state. The function is async because FastAPI runs plain functions in threads, which takes longer."""
    state: GatewayState = request.state.gateway
    return state


State = Annotated[GatewayState, Depends(_state)]
"""The state, as the parameter of an endpoint."""
