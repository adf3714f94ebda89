"""Services of the frame with routes of a test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from shared.service.application import ServiceDescription, ServiceFrame, create_service
from shared.service.settings import ServiceSettings


@dataclass
class Running:
    """A service, its frame and a caller."""

    app: FastAPI
    frame: ServiceFrame
    client: httpx.AsyncClient


def build(*routers: APIRouter, settings: Mapping[str, Any] | None = None, **particulars: Any) -> FastAPI:
    """A service that is not started yet."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        yield {}

    described: dict[str, Any] = {"lifespan": lifespan, "routers": routers, "checks": {}, **particulars}
    description = ServiceDescription(name="test-service", title="Test", description="For tests.", **described)
    return create_service(description, ServiceFrame(ServiceSettings.model_validate(settings or {})))


Start = Callable[..., Awaitable[Running]]
