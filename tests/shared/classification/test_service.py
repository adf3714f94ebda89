from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from shared.classification.service import create_classification_app, to_classification
from shared.contracts.internal import Classification
from shared.images import npy_codec
from shared.models.manifest import ModelManifest, Rejection, read_manifest
from tests.shared.service.running import calling, until_ready
from tests.shared.service.test_problems import references

BLACK, BLUE, RED, YELLOW, GREEN = (0, 0, 0), (0, 0, 255), (255, 0, 0), (255, 255, 0), (0, 255, 0)


@pytest.fixture
async def client(classifier_folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of compa-service over the tiny classifier."""
    async with calling(create_classification_app(classifier_folder)) as client:
        await until_ready(client)
        yield client


@pytest.fixture
def manifest(classifier_folder: Path) -> ModelManifest:
    return read_manifest(classifier_folder)


def pictures(*colours: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.full((224, 224, 3), colour, np.uint8) for colour in colours])


async def classify(client: httpx.AsyncClient, body: Any, media_type: str = "application/x-npy") -> httpx.Response:
    content = body if isinstance(body, bytes) else npy_codec.encode(body)
    return await client.post("/v1/classify", content=content, headers={"content-type": media_type})


async def test_every_image_gets_its_own_probabilities(client: httpx.AsyncClient, manifest: ModelManifest) -> None:
    answer = await classify(client, pictures(BLACK, BLUE, RED, YELLOW, GREEN))
    classification = Classification.model_validate_json(answer.content)
    likeliest = [classification.labels[int(np.argmax(row))] for row in classification.probabilities]
    assert likeliest == ["ct", "mri", "fundus", "skin", "other"]
    assert [sum(row) for row in classification.probabilities] == pytest.approx([1.0] * 5, abs=1e-5)
    assert classification.model == manifest.digest


async def test_what_looks_like_none_of_the_modalities_is_not_accepted(client: httpx.AsyncClient) -> None:
    assert (await classify(client, pictures(RED, GREEN))).json()["accepted"] == [True, False]


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (pictures(RED), "image/png", 415),
        (pictures(RED), "", 415),
        (b"no npy", "application/x-npy", 422),
        (b"", "application/x-npy", 422),
        (np.zeros((1, 100, 100, 3), np.uint8), "application/x-npy", 422),
        (np.zeros((1, 224, 224, 3), np.float32), "application/x-npy", 422),
        (np.zeros((65, 224, 224, 3), np.uint8), "application/x-npy", 422),
        (np.zeros((0, 224, 224, 3), np.uint8), "application/x-npy", 422),
    ],
    ids=["png", "no type", "no npy", "empty", "size", "float", "too many", "none"],
)
async def test_a_body_that_is_no_batch_of_views_is_a_problem(
    client: httpx.AsyncClient, body: Any, media_type: str, status: int
) -> None:
    assert (await classify(client, body, media_type)).status_code == status


async def test_the_media_type_may_have_parameters(client: httpx.AsyncClient) -> None:
    assert (await classify(client, pictures(RED), "Application/X-NPY; version=1")).status_code == 200


async def test_the_deadline_of_the_caller_holds(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-npy", "x-deadline-ms": "0"}
    answer = await client.post("/v1/classify", content=npy_codec.encode(pictures(RED)), headers=headers)
    assert answer.status_code == 504


async def test_the_description_says_what_the_body_is(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()
    operation = description["paths"]["/v1/classify"]["post"]
    assert operation["requestBody"]["content"]["application/x-npy"]["schema"]["format"] == "binary"
    assert {"413", "415", "422", "503", "504"} <= set(operation["responses"])
    assert all(ref.rsplit("/", 1)[-1] in description["components"]["schemas"] for ref in references(description))


def test_temperature_tempers_and_one_leaves_things_as_they_are(manifest: ModelManifest) -> None:
    outputs = np.array([[0.81, 0.01, 0.01, 0.01, 0.16]], np.float32)
    plain = manifest.model_copy(update={"rejection": Rejection(temperature=1.0)})
    assert to_classification(outputs, plain).probabilities[0] == pytest.approx(outputs[0].tolist(), abs=1e-5)
    tempered = to_classification(outputs, manifest.model_copy(update={"rejection": Rejection(temperature=2.0)}))
    roots = np.sqrt(outputs[0])
    assert tempered.probabilities[0] == pytest.approx((roots / roots.sum()).tolist(), abs=1e-5)


@pytest.mark.parametrize(("other", "accepted"), [(0.29, True), (0.3, False), (0.31, False), (1.0, False), (0.0, True)])
def test_an_image_is_refused_from_the_threshold_on(manifest: ModelManifest, other: float, accepted: bool) -> None:
    outputs = np.array([[1 - other, 0, 0, 0, other]], np.float64).astype(np.float32)
    judged = manifest.model_copy(update={"rejection": Rejection(threshold=float(np.float32(0.3)) - 1e-7)})
    assert to_classification(outputs, judged).accepted == [accepted]


def test_without_a_rejection_the_defaults_hold(manifest: ModelManifest) -> None:
    outputs = np.array([[0.4, 0, 0, 0, 0.6], [0.6, 0, 0, 0, 0.4]], np.float32)
    assert to_classification(outputs, manifest.model_copy(update={"rejection": None})).accepted == [False, True]


def test_an_identifier_is_no_classifier(identifier_folder: Path) -> None:
    with pytest.raises(ValueError, match="identifier/ holds no classifier"):
        create_classification_app(identifier_folder)


def test_a_classifier_must_know_what_is_none_of_the_modalities(classifier_folder: Path, tmp_path: Path) -> None:
    for file in classifier_folder.iterdir():
        content = file.read_bytes().replace(b'"other"', b'"photo"') if file.suffix == ".json" else file.read_bytes()
        (tmp_path / file.name).write_bytes(content)
    with pytest.raises(ValueError, match="whose last label is other"):
        create_classification_app(tmp_path)


def test_the_sub_type_is_that_of_the_likeliest_label(manifest: ModelManifest) -> None:
    told = manifest.model_copy(update={"subtypes": {"mri": ("flair", "t1"), "fundus": ("left_eye", "right_eye")}})
    labels = np.eye(5, dtype=np.float32)[[1, 2, 3]]
    further = np.array([[0.9, 0.1, 0.2, 0.8]] * 3, np.float32)
    answer = to_classification(np.hstack([labels, further]), told)
    assert [subtype and (subtype.name, subtype.confidence) for subtype in answer.subtypes] == [
        ("flair", 0.9),
        ("right_eye", 0.8),
        None,
    ]
    assert [len(row) for row in answer.probabilities] == [5, 5, 5]
