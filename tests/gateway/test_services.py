"""What a service may not answer, and what may not be configured."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import numpy as np
import pytest

from gateway.services import Compa, Identifier, Services
from gateway.settings import GatewaySettings
from shared.contracts.internal import EMBEDDING_DIMENSION, Classification
from shared.errors import BadUpstream
from shared.modalities import load_registry
from shared.service.context import Deadline, RequestContext, current_request
from shared.service.limiter import UploadLimiter
from shared.service.metrics import Metrics
from shared.service.service_client import ServiceClient

DIGEST = "sha256:" + "0" * 64
VIEW = np.zeros((224, 224, 3), np.uint8)
VERDICT = {"model": DIGEST, "labels": ["ct", "other"], "probabilities": [[1, 0]], "accepted": [True], "subtypes": []}


def answering(body: dict[str, Any]) -> ServiceClient:
    return ServiceClient("http://service", httpx.MockTransport(lambda _: httpx.Response(200, json=body)))


def templates(*embeddings: bytes) -> dict[str, Any]:
    made = [{"embedding": base64.b64encode(embedding).decode(), "quality": 1.0} for embedding in embeddings]
    return {"model": DIGEST, "templates": made}


async def test_a_verdict_of_every_image_is_taken() -> None:
    assert (await Compa(answering(VERDICT)).classify([VIEW])).accepted == [True]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"probabilities": []}, id="no image"),
        pytest.param({"probabilities": [[1]]}, id="fewer probabilities than labels"),
        pytest.param({"accepted": []}, id="not judged"),
        pytest.param({"subtypes": [None, None]}, id="more sub-types than images"),
    ],
)
async def test_a_verdict_of_another_shape_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadUpstream):
        await Compa(answering(VERDICT | wrong)).classify([VIEW])


@pytest.mark.parametrize(
    ("embeddings", "taken"),
    [
        pytest.param([bytes(4 * EMBEDDING_DIMENSION)], True, id="one for the image"),
        pytest.param([], False, id="none"),
        pytest.param([bytes(4 * EMBEDDING_DIMENSION)] * 2, False, id="two for one image"),
        pytest.param([bytes(4)], False, id="too short"),
    ],
)
async def test_templates_of_another_shape_are_refused(embeddings: list[bytes], taken: bool) -> None:
    identifier = Identifier(answering(templates(*embeddings)), UploadLimiter(1, Metrics()))
    if taken:
        assert len((await identifier.templates([VIEW])).templates) == 1
        return
    with pytest.raises(BadUpstream):
        await identifier.templates([VIEW])


async def test_each_replica_adds_its_places(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["10.0.0.1", "10.0.0.2"]

    monkeypatch.setattr("shared.service.service_client._itself", resolve)
    waiting = [asyncio.Event() for _ in range(6)]

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={})
        next(event for event in waiting if not event.is_set()).set()
        await asyncio.Event().wait()
        raise AssertionError

    services = Services(GatewaySettings(), load_registry(), Metrics(), lambda _: httpx.MockTransport(answer))
    identifier = services.identifiers["ct"]
    await identifier.model()
    calls = []
    for caller in "abcdef":
        current_request.set(RequestContext(caller, "", Deadline.after(5000), caller))
        calls.append(asyncio.create_task(identifier.identify([VIEW], 3)))
    await asyncio.wait_for(waiting[-1].wait(), 10)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await services.close()


@pytest.mark.parametrize(
    ("urls", "complaint"),
    [
        pytest.param({"ctt": "http://ct"}, "MEDREID_SERVICE_URLS has .* that the registry lacks: ctt", id="unknown"),
        pytest.param({"ct": "http://ct/v2"}, "the address of ct-service must have no path", id="with a path"),
    ],
)
def test_addresses_that_would_be_overlooked_are_mistakes(urls: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Services(GatewaySettings(service_urls=urls), load_registry(), Metrics())


def test_a_field_of_another_version_is_ignored() -> None:
    known = {"model": f"sha256:{'0' * 64}", "labels": ["ct"], "probabilities": [[1.0]], "accepted": [True]}
    answer = Classification.model_validate({**known, "timings": {"queue_ms": 1.0}})
    assert answer == Classification.model_validate(known)
