"""`python tests/shared/service/drained.py`: a service with one slow route, for tests that send it signals.

Prints `begun` when the slow route is at work; the route goes on until its file appears.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI

from shared.service.app_factory import ServiceDescription, ServiceFrame, create_service
from shared.service.server import serve
from shared.service.settings import ServiceSettings

router = APIRouter()


@router.get("/slow")
async def slow(gate: str) -> str:
    """Answer when the file `gate` is there."""
    print('{"event": "begun"}', flush=True)  # noqa: T201
    while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.01)
    return "done"


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
    """Nothing to open, and a word at the end."""
    yield {}
    print('{"event": "closed"}', flush=True)  # noqa: T201


if __name__ == "__main__":
    description = ServiceDescription("drained", "Drained", "For tests.", lifespan, [router], {})
    settings = ServiceSettings(port=int(sys.argv[1]), drain_seconds=float(sys.argv[2]))
    serve(create_service(description, ServiceFrame(settings)))
