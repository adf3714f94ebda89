"""Services of the frame with routes of a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from fastapi import APIRouter, FastAPI

from shared.service.app_factory import ServiceDescription, ServiceFrame, create_service
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


@asynccontextmanager
async def calling(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start a service and call it."""
    async with LifespanManager(app) as manager:
        transport = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client


async def until_ready(client: httpx.AsyncClient, path: str = "/health/ready") -> None:
    """Wait until the service's model is loaded and its database answers, or what else `path` tells."""
    for _ in range(2000):
        if (await client.get(path)).is_success:
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("the service did not get ready")
