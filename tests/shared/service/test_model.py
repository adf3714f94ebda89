import asyncio
import shutil
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest

from shared.classification.service import create_classification_app
from shared.errors import ServiceUnavailable, Unavailable
from shared.images import npy_codec
from shared.models.manifest import MANIFEST_FILE
from shared.models.protocols import ModelSession
from shared.service.app_factory import ServiceFrame
from shared.service.context import Deadline
from shared.service.model import LoadedModel, ModelServiceSettings
from tests.shared.conftest import Logged
from tests.shared.service.running import calling

SETTINGS = ModelServiceSettings(workers=2)


def loaded(folder: Path) -> LoadedModel:
    return LoadedModel(folder, ServiceFrame(SETTINGS), SETTINGS)


async def until_settled(model: LoadedModel) -> str:
    """Wait for the end of loading: what `check` says then, empty where all is well."""
    for _ in range(2000):
        try:
            await model.check()
        except ServiceUnavailable as error:
            if "loading" not in error.detail:
                return error.detail
        else:
            return ""
        await asyncio.sleep(0.005)
    raise TimeoutError


async def until_loading_ends(client: httpx.AsyncClient) -> httpx.Response:
    """The first answer that is not of a service that is still loading."""
    for _ in range(2000):
        answer = await classify(client)
        if "still loading" not in answer.text:
            return answer
        await asyncio.sleep(0.005)
    raise TimeoutError


async def classify(client: httpx.AsyncClient) -> httpx.Response:
    body = npy_codec.encode(np.zeros((1, 224, 224, 3), np.uint8))
    return await client.post("/v1/classify", content=body, headers={"content-type": "application/x-npy"})


@pytest.fixture
def wrong_folder(classifier_folder: Path, tmp_path: Path) -> Path:
    """A model that does not answer the golden image as its manifest promises."""
    folder = Path(shutil.copytree(classifier_folder, tmp_path / "compa-service"))
    manifest = (folder / MANIFEST_FILE).read_text()
    golden = manifest[manifest.index('"output": [') : manifest.index("]", manifest.index('"output": [')) + 1]
    (folder / MANIFEST_FILE).write_text(manifest.replace(golden, '"output": [1, 0, 0, 0, 0]'))
    return folder


async def test_a_service_listens_while_its_model_is_loading(classifier_folder: Path) -> None:
    model = loaded(classifier_folder)
    async with model.loading():
        assert not model.started()
        with pytest.raises(ServiceUnavailable, match="still loading") as caught:
            await model.check()
        assert caught.value.retry_after_s == 1


async def test_a_model_is_ready_when_it_answered_the_golden_image(classifier_folder: Path) -> None:
    model = loaded(classifier_folder)
    async with model.loading():
        assert await until_settled(model) == ""
        assert model.started()


async def test_a_wrong_answer_to_the_golden_image_is_never_ready(wrong_folder: Path, logged: Logged) -> None:
    async with calling(create_classification_app(wrong_folder)) as client:
        answer = await until_loading_ends(client)
        assert (answer.status_code, answer.json()["type"]) == (503, "/docs/problems/service-unavailable")
        assert "could not be loaded" in answer.json()["detail"]
        assert (await client.get("/health/ready")).json()["detail"] == "Not ready: model."
        assert (await client.get("/health/startup")).status_code == 503
        assert (await client.get("/health/live")).status_code == 200
    (line,) = [line for line in logged() if line["level"] == "error"]
    assert (line["event"], line["model"], line["error"]) == ("model failed to load", "compa", "ValueError")


async def test_every_worker_has_a_session_of_its_own(classifier_folder: Path) -> None:
    model = loaded(classifier_folder)
    async with model.loading():
        await until_settled(model)
        barrier = threading.Barrier(2, timeout=20)

        def together(session: ModelSession) -> ModelSession:
            barrier.wait()
            return session

        sessions = await asyncio.gather(*(model.queue.run(together, Deadline.after(20_000)) for _ in range(2)))
    assert sessions[0] is not sessions[1]


async def test_a_model_can_be_loaded_again_after_it_was_closed(classifier_folder: Path) -> None:
    model = loaded(classifier_folder)
    for _ in range(2):
        async with model.loading():
            assert await until_settled(model) == ""
            queue = model.queue
        with pytest.raises(Unavailable):
            await queue.run(lambda session: session.output_size, Deadline.after(1000))
