"""The gateway as an application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from gateway.audit import AuditTrail
from gateway.auth.authenticator import Authenticator
from gateway.auth.dependencies import caller_id, scope_check
from gateway.auth.keys import KeyRepository
from gateway.auth.scopes import Scope
from gateway.identification_flow import IdentificationFlow
from gateway.identify.endpoints import router as identify
from gateway.modalities.endpoints import router as modalities
from gateway.patients.endpoints import router as patients
from gateway.pipeline import Pipeline
from gateway.preview.endpoints import router as preview
from gateway.services import Services, Transport, over_network
from gateway.settings import GatewaySettings
from gateway.state import GatewayState
from gateway.verify.endpoints import router as verify
from gateway.web.pages import router as web
from gateway.web.pages import static_files
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings
from shared.gallery.postgres import PostgresGallery
from shared.modalities import load_registry
from shared.service.app_factory import ServiceDescription, ServiceFrame, create_service
from shared.service.health import Check
from shared.service.inference_queue import InferenceQueue
from shared.service.limiter import UploadLimiter

DESCRIPTION = """\
Find the patient of a medical image. Enrol images of patients first, then send another image.

1. `POST /v1/patients/{patient_id}/images` enrols images. Nothing is trained.
2. `POST /v1/identify` answers `identified`, `candidates` (the best three, for a person to choose from) or `unknown`.

Every request needs `Authorization: Bearer <key>`. Errors are RFC 9457 problems.
"""


def create_app(
    settings: GatewaySettings | None = None,
    database_settings: DatabaseSettings | None = None,
    transport: Transport = over_network,
) -> FastAPI:
    """Create the gateway. With `transport`, tests call the services' applications without a network."""
    settings = settings or GatewaySettings()
    database_settings = database_settings or DatabaseSettings()
    frame = ServiceFrame(settings)
    frame.limiter, frame.caller_id = UploadLimiter(settings.uploads_at_once, frame.metrics), caller_id
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        registry = load_registry(settings.registry)
        services = Services(settings, registry, frame.metrics, transport)
        threads = InferenceQueue([None] * settings.decode_workers, settings.uploads_at_once, frame.metrics)
        try:
            async with open_database(database_settings) as database:
                gallery = PostgresGallery(database)
                checks.update(database=gallery.ping, compa=services.compa.ready)
                pipeline = Pipeline(registry, services.compa, threads)
                state = GatewayState(
                    registry=registry,
                    services=services,
                    pipeline=pipeline,
                    flow=IdentificationFlow(pipeline, services.identifiers),
                    gallery=gallery,
                    audit=AuditTrail(database),
                    metrics=frame.metrics,
                )
                yield {"gateway": state, "authenticator": Authenticator(KeyRepository(database), settings)}
        finally:
            await services.close()
            await threads.close()

    description = ServiceDescription(
        name="gateway",
        title="MedReID",
        description=DESCRIPTION,
        lifespan=lifespan,
        routers=[identify, verify, patients, modalities, preview, web],
        checks=checks,
        metrics_guard=() if settings.metrics_public else (scope_check(Scope.ADMIN),),
        options={"docs_url": None, "redoc_url": None},
    )
    app = create_service(description, frame)
    static_files(app)
    return app
