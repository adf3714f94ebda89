"""The model services as the gateway calls them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from gateway.settings import GatewaySettings
from shared.contracts.internal import (
    EMBEDDING_DIMENSION,
    Classification,
    IdentifyAnswer,
    ModelDescription,
    Templates,
    VerifyAnswer,
)
from shared.errors import BadUpstream, InternalError, MedReIDError
from shared.images import npy_codec
from shared.images.views import Image
from shared.modalities import Registry
from shared.service.context import current_request, deadline_of_request
from shared.service.limiter import UploadLimiter
from shared.service.metrics import Metrics
from shared.service.replicas import Observe
from shared.service.service_client import ServiceClient

Answer = TypeVar("Answer", bound=BaseModel)
Transport = Callable[[str], httpx.AsyncBaseTransport | None]
"""From a service's name to its transport; None is the network. Tests pass applications."""

STATUS_S = 1.5
"""Seconds that the gateway waits for the status of a service."""

MODALITY_S = 5.0
"""Seconds that a request may wait for the service of its modality and be at it. It holds an upload place meanwhile, so
a slow service must not have a long queue."""


def over_network(_name: str) -> None:
    """Use the network, as in production."""


class Compa:
    """The client of compa-service."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def classify(self, views: Sequence[Image]) -> Classification:
        """Return the probabilities of uint8 (224, 224, 3) views; raises BadUpstream if the answer does not fit."""
        response = await self._client.post_npy("/v1/classify", npy_codec.encode(_stacked(views)))
        answer = _parse(Classification, response)
        counts = {len(answer.probabilities), len(answer.accepted), len(answer.subtypes or views)}
        if counts != {len(views)} or any(len(row) != len(answer.labels) for row in answer.probabilities):
            raise BadUpstream
        return answer

    async def ready(self) -> None:
        """Return if the service is ready; raises MedReIDError if not."""
        await self._client.get("/health/ready", STATUS_S)


class Identifier:
    """The client of one modality's service. Callers take turns; raises QueueFull if the wait would be too long."""

    def __init__(self, client: ServiceClient, limiter: UploadLimiter) -> None:
        self._client, self._limiter = client, limiter

    async def identify(self, views: Sequence[Image], top_k: int) -> IdentifyAnswer:
        """Return the candidates for one probe: views uint8 (h, w, 3) after the recipe."""
        return _parse(IdentifyAnswer, await self._post(f"/v1/identify?top_k={top_k}", views))

    async def verify(self, views: Sequence[Image], patient_id: str) -> VerifyAnswer:
        """Return how well the probe agrees with this patient."""
        return _parse(VerifyAnswer, await self._post("/v1/verify", views, {"patient_id": patient_id}))

    async def templates(self, views: Sequence[Image]) -> Templates:
        """Return one template for each view."""
        answer = _parse(Templates, await self._post("/v1/templates", views))
        size = EMBEDDING_DIMENSION * np.dtype(np.float32).itemsize
        if len(answer.templates) != len(views) or any(len(one.embedding) != size for one in answer.templates):
            raise BadUpstream
        return answer

    async def _post(self, path: str, views: Sequence[Image], params: Mapping[str, str] | None = None) -> httpx.Response:
        context = current_request.get()
        longest_s = min(deadline_of_request().remaining_s, MODALITY_S)
        release = await self._limiter.acquire(context.caller_id if context else "", longest_s)
        try:
            return await self._client.post_npy(path, npy_codec.encode(_stacked(views)), params)
        finally:
            release()

    async def model(self) -> ModelDescription | None:
        """Return the service's model; None if the service is not ready."""
        try:
            await self._client.get("/health/ready", STATUS_S)
            return _parse(ModelDescription, await self._client.get("/v1/model", STATUS_S))
        except InternalError:
            raise
        except MedReIDError:
            return None


class Services:
    """The clients of all model services."""

    def __init__(
        self, settings: GatewaySettings, registry: Registry, metrics: Metrics, transport: Transport = over_network
    ) -> None:
        if unknown := set(settings.service_urls) - set(registry.names):
            raise ValueError(
                f"MEDREID_SERVICE_URLS has modalities that the registry lacks: {', '.join(sorted(unknown))}."
                " Remove them, or add them to the registry."
            )
        urls = {m.name: settings.service_urls.get(m.name, m.default_url) for m in registry}
        places = settings.uploads_per_replica
        limiters = {name: UploadLimiter(places, metrics) for name in registry.names}
        self._clients = {
            name: ServiceClient(
                url,
                transport(name),
                service=f"{name}-service",
                observe=_observer(metrics, name, limiters.get(name), places),
            )
            for name, url in {"compa": settings.compa_url, **urls}.items()
        }
        self.compa = Compa(self._clients["compa"])
        self.identifiers: Mapping[str, Identifier] = {
            name: Identifier(self._clients[name], limiter) for name, limiter in limiters.items()
        }

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.close()


def _observer(metrics: Metrics, service: str, limiter: UploadLimiter | None, places: int) -> Observe:
    """Return a function that counts the replicas of a service and gives its limiter so many places for each."""
    used, resting = metrics.replicas.labels(service, "used"), metrics.replicas.labels(service, "resting")

    def observe(in_use: int, at_rest: int) -> None:
        used.set(in_use)
        resting.set(at_rest)
        if limiter is not None:
            limiter.places = places * max(1, in_use)

    return observe


def _stacked(views: Sequence[Image]) -> NDArray[np.uint8]:
    """Return n views as uint8 (n, h, w, 3); a single view is not copied."""
    return views[0][np.newaxis] if len(views) == 1 else np.stack(views)


def _parse(kind: type[Answer], response: httpx.Response) -> Answer:
    try:
        return kind.model_validate_json(response.content)
    except ValidationError:
        raise BadUpstream from None
