"""In which order COMPA and the services are asked about a probe. They are only HTTP here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.identification_flow import IdentificationFlow, StageTimer
from gateway.pipeline import Pipeline
from gateway.services import Compa, Identifier
from shared.contracts.internal import Classification, IdentifyAnswer
from shared.errors import BadUpstream, InvalidInput, UnsupportedModality
from shared.images.views import Image
from shared.modalities import load_registry
from shared.service.inference_queue import InferenceQueue
from shared.service.limiter import UploadLimiter
from shared.service.metrics import Metrics
from shared.service.service_client import ServiceClient
from tests.gateway.pictures import dicom, png

REGISTRY = load_registry()
DIGEST = "sha256:" + "0" * 64


@dataclass
class Remote(httpx.AsyncBaseTransport):
    """A service at the other end of HTTP: it notes every call, and answers once `may_answer` is set."""

    answer: Callable[[], httpx.Response]
    asked: int = 0
    abandoned: int = 0
    called: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.called.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.abandoned += 1
            raise
        return self.answer()


class Place:
    """A flow, COMPA and the services it asks. COMPA names what `names` says, None: nothing of these."""

    def __init__(self, threads: InferenceQueue[None]) -> None:
        self.names: str | None = "skin"
        self.metrics = Metrics()
        self.compa = Remote(self._verdict)
        self.services = {name: Remote(lambda n=name: _matches(n)) for name in REGISTRY.names}  # type: ignore[misc]
        for service in self.services.values():
            service.may_answer.set()
        identifiers = {
            name: Identifier(ServiceClient(f"http://{name}", remote), UploadLimiter(4, self.metrics))
            for name, remote in self.services.items()
        }
        pipeline = Pipeline(REGISTRY, Compa(ServiceClient("http://compa", self.compa)), threads)
        self.flow = IdentificationFlow(pipeline, identifiers)

    def _verdict(self) -> httpx.Response:
        labels = [*REGISTRY.names, "other"]
        probabilities = [float(label == (self.names or "other")) for label in labels]
        verdict = Classification(
            model=DIGEST, labels=labels, probabilities=[probabilities], accepted=[self.names is not None], subtypes=[]
        )
        return httpx.Response(200, content=verdict.model_dump_json())

    async def ask(self, upload: bytes, modality: str | None = None) -> tuple[str, int]:
        """The modality that was named, and how many patients its service knows."""
        return await self._asked([upload], modality)

    async def ask_several(self, uploads: Sequence[bytes]) -> tuple[str, int]:
        return await self._asked(uploads, None)

    async def _asked(self, uploads: Sequence[bytes], modality: str | None) -> tuple[str, int]:
        async def question(one: Identifier, views: Sequence[Image]) -> IdentifyAnswer:
            return await one.identify(views, 3)

        prepared, matches = await self.flow.run(uploads, modality, question, StageTimer())
        return prepared[0].modality.name, matches.enrolled_patients


def _matches(name: str) -> httpx.Response:
    """An answer by which services can be told apart."""
    known = 1 + list(REGISTRY.names).index(name)
    answer = IdentifyAnswer(model=DIGEST, enrolled_patients=known, matches=[], unknown_probability=1.0, images=[])
    return httpx.Response(200, content=answer.model_dump_json())


def known(name: str) -> tuple[str, int]:
    """What `Place.ask` returns of a modality."""
    return name, 1 + list(REGISTRY.names).index(name)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    queue = InferenceQueue[None]([None] * 2, 8, Metrics())
    yield Place(queue)
    await queue.close()


async def test_the_service_that_a_header_names_is_asked_while_compa_looks(place: Place) -> None:
    asking = asyncio.create_task(place.ask(dicom("MR")))
    await asyncio.wait_for(place.services["mri"].called.wait(), 20)
    assert not asking.done()
    place.names = "ct"  # a header says more than COMPA
    place.compa.may_answer.set()
    assert await asking == known("mri")
    assert place.services["mri"].asked == 1


async def test_without_a_header_compa_is_asked_first(place: Place) -> None:
    asking = asyncio.create_task(place.ask(png()))
    await asyncio.wait_for(place.compa.called.wait(), 20)
    assert place.services["skin"].asked == 0
    place.compa.may_answer.set()
    assert await asking == known("skin")


async def test_if_compa_fails_the_other_call_is_given_up(place: Place) -> None:
    place.services["mri"].may_answer.clear()
    asking = asyncio.create_task(place.ask(dicom("MR")))
    await asyncio.wait_for(place.services["mri"].called.wait(), 20)
    place.compa.answer = lambda: httpx.Response(200, content=b"nonsense")
    place.compa.may_answer.set()
    with pytest.raises(BadUpstream):
        await asking
    assert place.services["mri"].abandoned == 1


async def test_a_modality_that_the_caller_names_is_asked_at_once(place: Place) -> None:
    asking = asyncio.create_task(place.ask(png(0), "xray"))
    await asyncio.wait_for(place.services["xray"].called.wait(), 20)
    assert not asking.done()
    place.compa.may_answer.set()
    assert await asking == known("xray")


@pytest.mark.parametrize("upload", [dicom("MR"), png()], ids=["header", "no header"])
async def test_no_answer_is_given_for_a_refused_image(place: Place, upload: bytes) -> None:
    place.names = None
    place.compa.may_answer.set()
    with pytest.raises(UnsupportedModality):
        await place.ask(upload)


async def test_images_of_several_modalities_are_no_probe(place: Place) -> None:
    labels = [*REGISTRY.names, "other"]
    rows = [[float(label == name) for label in labels] for name in ("ct", "mri")]
    verdict = Classification(model=DIGEST, labels=labels, probabilities=rows, accepted=[True, True], subtypes=[])
    place.compa.answer = lambda: httpx.Response(200, content=verdict.model_dump_json())
    place.compa.may_answer.set()
    with pytest.raises(InvalidInput, match="several modalities"):
        await place.ask_several([png(0), png(1)])
