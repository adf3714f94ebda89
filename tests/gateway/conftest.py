"""The gateway and all the real services in one process, over ASGI instead of a network, on the real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from gateway.application import create_app
from gateway.auth.keys import KeyRepository
from gateway.auth.scopes import Scope
from gateway.settings import GatewaySettings
from shared.classification.service import create_classification_app
from shared.database.pool import Database
from shared.database.settings import DatabaseSettings
from shared.identification.service import create_identification_app
from shared.modalities import load_registry
from shared.service.model import ModelServiceSettings

Start = Callable[..., Awaitable["System"]]
"""Starts a gateway; keyword arguments are its settings."""
MODALITIES = load_registry().names


class Down(httpx.AsyncBaseTransport):
    """A service that is not there: the connection is refused."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)


class Switch(httpx.AsyncBaseTransport):
    """Passes requests on to `to`, which a test may change."""

    def __init__(self, to: httpx.AsyncBaseTransport) -> None:
        self.to = to

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.to.handle_async_request(request)


@dataclass
class System:
    """A running gateway, its clients by what they may do, and a switch before each service."""

    app: FastAPI
    client: httpx.AsyncClient
    keys: Mapping[str, str]
    switches: Mapping[str, Switch] = field(default_factory=dict)

    def headers(self, scope: str = "all") -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[scope]}"}

    async def identify(self, *files: bytes, **fields: str) -> httpx.Response:
        return await self._post("/v1/identify", files, fields)

    async def verify(self, *files: bytes, **fields: str) -> httpx.Response:
        return await self._post("/v1/verify", files, fields)

    async def enrol(self, patient: str, *files: bytes, idempotency: str = "", **fields: str) -> httpx.Response:
        headers = {"idempotency-key": idempotency} if idempotency else {}
        return await self._post(f"/v1/patients/{patient}/images", files, fields, headers)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path, headers=self.headers())

    async def delete(self, path: str) -> httpx.Response:
        return await self.client.delete(path, headers=self.headers())

    async def _post(
        self, path: str, files: tuple[bytes, ...], fields: dict[str, str], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        parts = [("file", ("image", data)) for data in files]
        fields = {"accept_any": "true", **fields}  # most tests send noise, which COMPA refuses
        return await self.client.post(path, files=parts, data=fields, headers={**self.headers(), **(headers or {})})


@pytest.fixture(scope="session")
def model_services(repository: Path, migrated_url: str) -> Mapping[str, FastAPI]:
    """The applications of COMPA and of every modality, with the models that ship."""
    settings = ModelServiceSettings(log_level="error")
    database = DatabaseSettings.model_validate({"database_url": migrated_url, "database_connections": 2})
    compa = create_classification_app(repository / "compa-service", settings)
    others = {m: create_identification_app(repository / f"{m}-service", settings, database) for m in MODALITIES}
    return {"compa": compa, **others}


@pytest.fixture
async def start(
    model_services: Mapping[str, FastAPI], database: Database, database_settings: DatabaseSettings
) -> AsyncIterator[Start]:
    """Start a gateway with given settings over the services; any number of them in one test."""
    async with AsyncExitStack() as stack:
        transports: dict[str, httpx.AsyncBaseTransport] = {}
        for name, app in model_services.items():
            manager = await stack.enter_async_context(LifespanManager(app, startup_timeout=30))
            transports[name] = httpx.ASGITransport(manager.app)
            await until_ready(transports[name])

        async def make(**settings: object) -> System:
            switches = {name: Switch(transport) for name, transport in transports.items()}
            app = create_app(
                GatewaySettings.model_validate({"log_level": "error", **settings}), database_settings, switches.get
            )
            manager = await stack.enter_async_context(LifespanManager(app))
            transport = httpx.ASGITransport(manager.app, raise_app_exceptions=False)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://gateway"))
            return System(app, client, await _keys(database), switches)

        yield make


@pytest.fixture
async def system(start: Start) -> System:
    """A gateway with default settings."""
    return await start()


async def _keys(database: Database) -> dict[str, str]:
    repository = KeyRepository(database)
    keys = {scope.value: await repository.create(scope.value, [scope]) for scope in Scope}
    return {**keys, "all": await repository.create("all", list(Scope))}


async def until_ready(transport: httpx.AsyncBaseTransport) -> None:
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for _ in range(200):
            if (await client.get("/health/ready")).is_success:
                return
            await asyncio.sleep(0.05)
    raise TimeoutError("a service did not become ready")
