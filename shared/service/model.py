"""A service with a model: loading, queue and readiness."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import cv2
import structlog
from fastapi import Request
from pydantic import Field

from shared.errors import ServiceUnavailable
from shared.models.golden import check_golden
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, read_manifest
from shared.models.protocols import ModelSession
from shared.service.allocator import release_free_memory
from shared.service.app_factory import ServiceFrame
from shared.service.inference_queue import InferenceQueue
from shared.service.logs import describe
from shared.service.settings import ServiceSettings

log = structlog.get_logger()

YIELDS = {"classifier": 0, "identifier": 5}
"""Niceness of inference, by the kind of model. If cores are busy, event loops and COMPA go first: every request waits
for them, and they are soon done."""


class ModelServiceSettings(ServiceSettings):
    """Settings of a service with a model."""

    workers: Annotated[
        int,
        Field(
            ge=1, le=64, description="Inferences at once, each with its own copy of the model. Raise it with the cores."
        ),
    ] = 1
    threads: Annotated[
        int, Field(ge=1, le=64, description="Threads of one inference. Leave it at 1; raise `MEDREID_WORKERS` instead.")
    ] = 1


async def loaded_model(request: Request) -> LoadedModel:
    """Return the model of the service, from the state of the lifespan."""
    model: LoadedModel = request.state.model
    return model


class LoadedModel:
    """The model of one folder. `queue` raises ServiceUnavailable until loading is done."""

    def __init__(self, folder: Path, frame: ServiceFrame, settings: ModelServiceSettings) -> None:
        self.manifest: ModelManifest = read_manifest(folder)
        self._folder, self._frame, self._settings = folder, frame, settings
        self._queue: InferenceQueue[ModelSession] | None = None
        self._failed = False

    @property
    def queue(self) -> InferenceQueue[ModelSession]:
        """The queue in front of the model's sessions."""
        if self._failed:
            raise ServiceUnavailable("The model could not be loaded; the log of the service says why.")
        if self._queue is None:
            raise ServiceUnavailable("The model is still loading.", retry_after_s=1)
        return self._queue

    def started(self) -> bool:
        """Return whether the model is loaded."""
        return self._queue is not None

    async def check(self) -> None:
        """Raise ServiceUnavailable unless the model is loaded and answered the golden image correctly."""
        _ = self.queue

    @asynccontextmanager
    async def loading(self) -> AsyncIterator[LoadedModel]:
        """Load in the background, so that `/health/live` answers at once; close when the block ends."""
        self._queue, self._failed = None, False
        sessions: list[ModelSession] = []
        task = asyncio.create_task(self._load(sessions))
        try:
            yield self
        finally:
            await task
            if self._queue is not None:
                await self._queue.close()
            for session in sessions:
                session.close()

    async def _load(self, sessions: list[ModelSession]) -> None:
        try:
            sessions += await asyncio.to_thread(self._open)
        except Exception as error:
            self._failed = True
            log.error("model failed to load", model=self.manifest.name, **describe(error))
        else:
            capacity, yields = self._settings.queue_capacity, YIELDS[self.manifest.kind]
            self._queue = InferenceQueue(sessions, capacity, self._frame.metrics, yields=yields)
            log.info("model loaded", model=self.manifest.name, digest=self.manifest.digest)

    def _open(self) -> list[ModelSession]:
        cv2.setNumThreads(1)  # one core a request; workers and replicas make it parallel
        settings = self._settings
        sessions: list[ModelSession] = [LiteRTSession(self._folder, settings.threads) for _ in range(settings.workers)]
        for session in sessions:
            check_golden(session, self.manifest)
        release_free_memory()  # that only loading needed
        return sessions
