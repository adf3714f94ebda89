"""Liveness, start-up and readiness, kept apart: a dead database must not restart a healthy process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel

from shared.errors import MedReIDError, Unavailable, responses

Check = Callable[[], Awaitable[None]]
"""Returns where all is well, raises MedReIDError where it is not."""


class Health(BaseModel):
    """Answer of the health endpoints."""

    status: str = "ok"


def health_routes(started: Callable[[], bool], draining: Callable[[], bool], checks: Mapping[str, Check]) -> APIRouter:
    """`/health/startup`, `/health/live`, `/health/ready`."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/startup", responses=responses(Unavailable))
    async def startup() -> Health:
        """Whether start-up is done."""
        if not started():
            raise Unavailable("The service is still starting.", retry_after_s=1)
        return Health()

    @router.get("/live")
    async def live() -> Health:
        """Whether the process answers at all; depends on nothing else."""
        return Health()

    @router.get("/ready", responses=responses(Unavailable))
    async def ready() -> Health:
        """Whether requests would be served: every part that they need answers."""
        if draining():
            raise Unavailable("The service is shutting down.", retry_after_s=1)
        results = await asyncio.gather(*(check() for check in checks.values()), return_exceptions=True)
        failed = [name for name, result in zip(checks, results, strict=True) if isinstance(result, MedReIDError)]
        unexpected = next(
            (r for r in results if isinstance(r, BaseException) and not isinstance(r, MedReIDError)), None
        )
        if unexpected is not None:
            raise unexpected
        if failed:
            raise Unavailable(f"Not ready: {', '.join(failed)}.", retry_after_s=1)
        return Health()

    return router
