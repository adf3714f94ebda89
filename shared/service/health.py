"""Health endpoints. Liveness and readiness differ: a dead database must not restart a healthy process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel

from shared.errors import MedReIDError, Unavailable, responses

Check = Callable[[], Awaitable[None]]
"""Returns if the part works, raises MedReIDError if not."""


class Health(BaseModel):
    """The answer of the health endpoints."""

    status: str = "ok"


def health_routes(started: Callable[[], bool], draining: Callable[[], bool], checks: Mapping[str, Check]) -> APIRouter:
    """Return the routes `/health/startup`, `/health/live` and `/health/ready`."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/startup", responses=responses(Unavailable))
    async def startup() -> Health:
        """Tell whether the service has started."""
        if not started():
            raise Unavailable("The service is still starting.", retry_after_s=1)
        return Health()

    @router.get("/live")
    async def live() -> Health:
        """Tell that the process answers. Checks nothing else."""
        return Health()

    @router.get("/ready", responses=responses(Unavailable))
    async def ready() -> Health:
        """Tell whether requests would be served: every part that they need works."""
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
