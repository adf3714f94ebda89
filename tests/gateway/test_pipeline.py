"""What of an upload is sent to its identification service."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image as Files

from gateway import pipeline as pipelines
from gateway.pipeline import Pipeline
from gateway.services import Compa
from shared.images.recipes import build_recipe
from shared.images.views import Image, network_view
from shared.modalities import Registry, load_registry
from shared.service.inference_queue import InferenceQueue
from shared.service.metrics import Metrics
from shared.service.service_client import ServiceClient
from tests.gateway.pictures import classifying

PICTURE = np.random.default_rng(5).integers(0, 256, (300, 410, 3), dtype=np.uint8)
CT = load_registry()["ct"]


@pytest.fixture
async def threads() -> AsyncIterator[InferenceQueue[None]]:
    queue = InferenceQueue[None]([None], 8, Metrics())
    yield queue
    await queue.close()


def pipeline(threads: InferenceQueue[None], *, local: bool) -> Pipeline:
    """COMPA sees CT here."""
    registry = Registry(modality=(CT.model_copy(update={"local_verification": local}),))
    compa = classifying(("ct", 1.0))
    return Pipeline(registry, Compa(ServiceClient("http://compa", compa)), threads)


def png() -> bytes:
    buffer = io.BytesIO()
    Files.fromarray(PICTURE).save(buffer, "PNG")
    return buffer.getvalue()


async def probe_views(of: Pipeline) -> list[Image]:
    return await of.probe_views(await of.decode([png()], "ct"), "ct")


async def test_a_probe_whose_keypoints_are_compared_is_sent_as_the_recipe_makes_it(
    threads: InferenceQueue[None],
) -> None:
    (view,) = await probe_views(pipeline(threads, local=True))
    np.testing.assert_array_equal(view, build_recipe(CT.recipe)(PICTURE))


async def test_another_probe_is_sent_as_the_network_sees_it(threads: InferenceQueue[None]) -> None:
    (view,) = await probe_views(pipeline(threads, local=False))
    whole = build_recipe(CT.recipe)(PICTURE)
    assert view.shape == (224, 224, 3) != whole.shape
    np.testing.assert_array_equal(view[np.newaxis], network_view(whole[np.newaxis]))


@pytest.mark.parametrize("room", [0, PICTURE.shape[0] * PICTURE.shape[1], 10 * PICTURE.size])
async def test_large_images_are_not_kept_and_sent_the_same(
    threads: InferenceQueue[None], room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "MAX_KEPT_PIXELS", room)
    one = pipeline(threads, local=True)
    opened = await one.decode([png()] * 3, "ct")
    kept = [image.pixels is not None for image in opened.images]
    assert kept == [place < room // (PICTURE.shape[0] * PICTURE.shape[1]) for place in range(3)]
    for view in await one.probe_views(opened, "ct"):
        np.testing.assert_array_equal(view, build_recipe(CT.recipe)(PICTURE))


async def test_what_is_enrolled_is_sent_whole(threads: InferenceQueue[None]) -> None:
    (prepared,) = await pipeline(threads, local=False).prepare([png()], "ct")
    np.testing.assert_array_equal(prepared.view, build_recipe(CT.recipe)(PICTURE))
