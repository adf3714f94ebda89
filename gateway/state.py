"""What the gateway's endpoints share, opened once by the lifespan."""

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
    """Everything an endpoint needs."""

    registry: Registry
    services: Services
    pipeline: Pipeline
    flow: IdentificationFlow
    gallery: PostgresGallery
    audit: AuditTrail
    metrics: Metrics


async def _state(request: Request) -> GatewayState:
    """Not a plain function: those are run in threads, and the way there costs more than all of this."""
    state: GatewayState = request.state.gateway
    return state


State = Annotated[GatewayState, Depends(_state)]
"""The state as an endpoint's parameter."""
