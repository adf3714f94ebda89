"""Services of the frame, called over ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import APIRouter

from tests.shared.service.running import Running, Start, build


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a service of the frame; arguments as of `build`."""
    async with AsyncExitStack() as stack:

        async def begin(*routers: APIRouter, **particulars: Any) -> Running:
            app = build(*routers, **particulars)
            manager = await stack.enter_async_context(LifespanManager(app))
            transport = httpx.ASGITransport(manager.app)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://service"))
            return Running(app, app.state.frame, client)

        yield begin
