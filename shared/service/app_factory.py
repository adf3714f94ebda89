"""The application factory: every service is this application with its own routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.responses import Response

from shared import __version__
from shared.contracts.public import Problem
from shared.errors import InternalError, InvalidInput, responses
from shared.service.health import Check, health_routes
from shared.service.limiter import UploadLimiter
from shared.service.logs import configure_logs
from shared.service.metrics import Metrics
from shared.service.middleware import CallerId, RequestMiddleware
from shared.service.problems import install_problems, pages
from shared.service.settings import ServiceSettings

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]]
"""Opens the service's resources and yields them as the state of its requests."""


@dataclass
class ServiceFrame:
    """The state of one application: its settings, its metrics, and whether it has started or is shutting down."""

    settings: ServiceSettings
    metrics: Metrics = field(default_factory=Metrics)
    limiter: UploadLimiter | None = None
    """Limits the requests with a body that are read and answered at once; None: no limit."""
    caller_id: CallerId | None = None
    """Tells the limiter the caller; refuses a request without a valid credential."""
    started: bool = False
    draining: bool = False


@dataclass(frozen=True)
class ServiceDescription:
    """What distinguishes one service from another."""

    name: str
    title: str
    description: str
    lifespan: Lifespan
    routers: Sequence[APIRouter]
    checks: Mapping[str, Check]
    started: Callable[[], bool] = lambda: True
    """Whether the work that the lifespan began in the background, such as loading a model, is done."""
    metrics_guard: Sequence[Any] = ()
    """Dependencies of `/metrics`, such as a check of the key."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of FastAPI."""


def create_service(description: ServiceDescription, frame: ServiceFrame) -> FastAPI:
    """Create the application: health, metrics, problems, middleware and the service's own routes."""
    app = FastAPI(
        title=description.title,
        description=description.description,
        version=__version__,
        lifespan=_lifespan(description, frame),
        responses=responses(InternalError),
        **description.options,
    )
    app.state.frame = frame
    app.include_router(
        health_routes(lambda: frame.started and description.started(), lambda: frame.draining, description.checks)
    )
    app.include_router(_metrics_route(frame, description.metrics_guard))
    app.include_router(pages)
    for router in description.routers:
        app.include_router(router)
    install_problems(app)
    app.add_middleware(
        RequestMiddleware,
        service=description.name,
        settings=frame.settings,
        metrics=frame.metrics,
        draining=lambda: frame.draining,
        limiter=frame.limiter,
        caller_id=frame.caller_id,
    )
    app.openapi = _with_problem_schema(app)  # type: ignore[method-assign]
    return app


def _lifespan(description: ServiceDescription, frame: ServiceFrame) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        configure_logs(description.name, frame.settings.log_level)
        frame.draining = False
        async with description.lifespan(app) as state:
            frame.started = True
            yield {**state, "frame": frame}
            frame.draining = True

    return lifespan


def _metrics_route(frame: ServiceFrame, guard: Sequence[Any]) -> APIRouter:
    router = APIRouter(tags=["operations"], dependencies=[Depends(dependency) for dependency in guard])

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Return the metrics in the text format of Prometheus."""
        return Response(frame.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _with_problem_schema(app: FastAPI) -> Callable[[], dict[str, Any]]:
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = generate()
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            _describe_invalid_input(schema)
            _mark_binary(schemas)
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi


def _describe_invalid_input(schema: dict[str, Any]) -> None:
    """Describe our 422 in place of FastAPI's own, which `install_problems` replaces."""
    for operations in schema.get("paths", {}).values():
        for operation in operations.values():
            content = operation.get("responses", {}).get("422", {}).get("content", {})
            if "HTTPValidationError" in str(content.get("application/json")):
                operation["responses"]["422"] = responses(InvalidInput)[422]


def _mark_binary(part: Any) -> None:
    """Mark uploads as `format: binary`. File pickers and client generators do not know `contentMediaType`."""
    if isinstance(part, dict):
        if part.pop("contentMediaType", None) == "application/octet-stream":
            part["format"] = "binary"
        for child in part.values():
            _mark_binary(child)
    elif isinstance(part, list):
        for child in part:
            _mark_binary(child)
