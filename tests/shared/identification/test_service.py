from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from shared.contracts.internal import IdentifyAnswer, Templates, VerifyAnswer
from shared.database.settings import DatabaseSettings
from shared.gallery.interface import Template
from shared.gallery.postgres import PostgresGallery
from shared.identification.calibration import log_likelihood_ratios, posterior
from shared.identification.cohort import Cohort
from shared.identification.matching import decode_embedding
from shared.identification.service import create_identification_app
from shared.images import npy_codec
from shared.images.views import network_view
from shared.keypoints.extraction import Keypoints
from shared.keypoints.verification import LocalVerifier
from shared.modalities import RecipeSpec, StepSpec, load_registry
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import MANIFEST_FILE, ModelManifest, OperatingPoints, file_digest, read_manifest
from tests.shared.identification.pictures import like, picture
from tests.shared.service.running import calling, until_ready
from tests.shared.service.test_problems import references


@pytest.fixture
def manifest(identifier_folder: Path) -> ModelManifest:
    return read_manifest(identifier_folder)


@pytest.fixture
async def client(identifier_folder: Path, database_settings: DatabaseSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A caller of ct-service over the tiny identifier, its gallery empty."""
    async with calling(create_identification_app(identifier_folder, database_settings=database_settings)) as client:
        await until_ready(client)
        yield client


@pytest.fixture
async def elsewhere(identifier_folder: Path, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The same, where no database answers."""
    nowhere = DatabaseSettings.model_validate({"database_url": f"postgresql:///medreid?host={tmp_path}"})
    async with calling(create_identification_app(identifier_folder, database_settings=nowhere)) as client:
        await until_ready(client, "/health/startup")
        yield client


async def post(client: httpx.AsyncClient, path: str, *images: np.ndarray, **params: Any) -> httpx.Response:
    headers = {"content-type": "application/x-npy"}
    return await client.post(path, content=npy_codec.encode(np.stack(images)), params=params, headers=headers)


async def enrol(client: httpx.AsyncClient, gallery: PostgresGallery, patient_id: str, *images: np.ndarray) -> None:
    """What the gateway does: templates of the service, into the gallery."""
    made = Templates.model_validate_json((await post(client, "/v1/templates", *images)).content)
    templates = [
        Template("ct", made.model, decode_embedding(t.embedding), t.quality, t.local.data if t.local else None)
        for t in made.templates
    ]
    await gallery.enrol(patient_id, templates)


async def identify(client: httpx.AsyncClient, *images: np.ndarray, **params: Any) -> IdentifyAnswer:
    return IdentifyAnswer.model_validate_json((await post(client, "/v1/identify", *images, **params)).content)


async def test_templates_hold_embeddings_of_the_model(client: httpx.AsyncClient, identifier_folder: Path) -> None:
    views = np.random.default_rng(1).integers(0, 256, (2, 512, 400, 3), np.uint8)
    answer = Templates.model_validate_json((await post(client, "/v1/templates", *views)).content)
    rows = np.stack([decode_embedding(template.embedding) for template in answer.templates])
    np.testing.assert_allclose(rows, LiteRTSession(identifier_folder).run(network_view(views)), atol=1e-6)


async def test_another_picture_of_a_patient_finds_the_patient(
    client: httpx.AsyncClient, gallery: PostgresGallery
) -> None:
    for person in range(6):
        await enrol(client, gallery, f"P-{person}", picture(person))
    answer = await identify(client, like(4))
    assert answer.enrolled_patients == 6
    assert len(answer.matches) == 3
    assert answer.matches[0].patient_id == "P-4"
    assert answer.matches[0].probability > 0.99
    assert sum(match.probability for match in answer.matches) + answer.unknown_probability == pytest.approx(1, abs=1e-6)


async def test_cosines_are_normalised_by_the_cohort_of_the_model(
    identifier_folder: Path, tmp_path: Path, gallery: PostgresGallery, database_settings: DatabaseSettings
) -> None:
    copy = shutil.copytree(identifier_folder, tmp_path, dirs_exist_ok=True)
    before = read_manifest(copy)
    assert before.calibration is not None
    calibration = before.calibration.model_copy(update={"cohort_weight": 0.5, "cohort_level": 0.1})
    cohort = Cohort(LiteRTSession(copy).run(np.stack([picture(person) for person in range(100, 120)])))
    manifest = before.model_copy(update={"calibration": calibration, "cohort": file_digest(cohort.write(copy))})
    (copy / MANIFEST_FILE).write_text(manifest.model_dump_json())
    probe = like(1, noise=90.0)
    async with calling(create_identification_app(copy, database_settings=database_settings)) as client:
        await until_ready(client)
        for person in range(3):
            await enrol(client, gallery, f"P-{person}", picture(person))
        answer = await identify(client, probe)
    embedding = LiteRTSession(copy).run(probe[np.newaxis])
    cosines = [match.similarity for match in answer.matches]
    shifted = np.array(cosines) - 0.5 * (cohort.levels(embedding)[0] - 0.1)
    expected, unknown = posterior(log_likelihood_ratios(shifted, [None] * 3, calibration), 3, calibration)
    np.testing.assert_allclose([match.probability for match in answer.matches], expected, rtol=1e-2)
    assert answer.unknown_probability == pytest.approx(unknown, rel=1e-2)
    assert abs(float(shifted[0]) - cosines[0]) > 0.01


async def test_failing_keypoints_fail_one_request_alone(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_verifier: LocalVerifier, _views: Sequence[np.ndarray]) -> list[Keypoints]:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(LocalVerifier, "extract_probe", fail)
        assert (await post(client, "/v1/identify", like(1))).status_code == 500
    assert (await post(client, "/v1/identify", like(1))).status_code == 200


@pytest.mark.parametrize("top_k", [0, 11, "many"])
async def test_a_number_of_candidates_out_of_range_is_refused(client: httpx.AsyncClient, top_k: object) -> None:
    answer = await post(client, "/v1/identify", picture(1), top_k=top_k)
    assert (answer.status_code, answer.json()["type"]) == (422, "/docs/problems/invalid-input")


async def test_another_patient_is_not(client: httpx.AsyncClient, gallery: PostgresGallery) -> None:
    await enrol(client, gallery, "P-1", picture(1))
    answer = await post(client, "/v1/verify", picture(77), patient_id="P-1")
    assert VerifyAnswer.model_validate_json(answer.content).match.probability < 0.01


async def test_who_is_not_enrolled_cannot_be_verified(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/v1/verify", picture(1), patient_id="P-9")
    assert (answer.status_code, answer.json()["type"]) == (404, "/docs/problems/not-found")
    assert "P-9" not in answer.text


@pytest.mark.parametrize("patient_id", ["", "-", "a" * 65, "P 1"])
async def test_a_name_that_no_patient_can_have_is_refused(client: httpx.AsyncClient, patient_id: str) -> None:
    assert (await post(client, "/v1/verify", picture(1), patient_id=patient_id)).status_code == 422


async def test_the_service_says_which_model_answers(client: httpx.AsyncClient, manifest: ModelManifest) -> None:
    expected = {"modality": "ct", "model": manifest.digest, "strict_threshold": None}
    assert (await client.get("/v1/model")).json() == expected


async def test_every_answer_has_the_models_strict_threshold(
    identifier_folder: Path, tmp_path: Path, database_settings: DatabaseSettings
) -> None:
    copy = shutil.copytree(identifier_folder, tmp_path, dirs_exist_ok=True)
    points = OperatingPoints(strict=0.9606, strict_origin="")
    manifest = read_manifest(copy).model_copy(update={"operating_points": points})
    (copy / MANIFEST_FILE).write_text(manifest.model_dump_json())
    async with calling(create_identification_app(copy, database_settings=database_settings)) as client:
        await until_ready(client)
        assert (await client.get("/v1/model")).json()["strict_threshold"] == 0.9606
        assert (await identify(client, picture(1))).strict_threshold == 0.9606


async def test_a_body_of_another_type_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/identify", content=b"GIF89a", headers={"content-type": "image/gif"})
    assert answer.status_code == 415
    assert answer.json()["detail"].endswith("Send the images as application/x-npy.")


async def test_too_many_or_too_large_images_are_refused(client: httpx.AsyncClient) -> None:
    assert (await post(client, "/v1/identify", *np.zeros((65, 8, 8, 3), np.uint8))).status_code == 422
    assert (await post(client, "/v1/identify", np.zeros((513, 8, 3), np.uint8))).status_code == 422


async def test_without_a_database_the_service_is_not_ready(elsewhere: httpx.AsyncClient) -> None:
    assert (await elsewhere.get("/health/ready")).json()["detail"] == "Not ready: database."
    assert (await elsewhere.get("/health/startup")).status_code == 200


async def test_an_outage_is_never_an_empty_gallery(elsewhere: httpx.AsyncClient) -> None:
    answer = await post(elsewhere, "/v1/identify", picture(1))
    assert (answer.status_code, answer.json()["type"]) == (503, "/docs/problems/database-unavailable")


async def test_what_needs_no_gallery_is_answered_all_the_same(elsewhere: httpx.AsyncClient) -> None:
    assert (await post(elsewhere, "/v1/templates", picture(1))).status_code == 200


async def test_the_description_says_what_the_bodies_are(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()
    for path in ("/v1/identify", "/v1/verify", "/v1/templates"):
        content = description["paths"][path]["post"]["requestBody"]["content"]
        assert content["application/x-npy"]["schema"]["format"] == "binary"
    assert all(ref.rsplit("/", 1)[-1] in description["components"]["schemas"] for ref in references(description))


def test_a_classifier_is_no_identifier(classifier_folder: Path) -> None:
    with pytest.raises(ValueError, match="classifier/ holds no identification model"):
        create_identification_app(classifier_folder)


@pytest.mark.parametrize(
    ("size", "enabled", "taken"),
    [
        pytest.param(304, False, False, id="another size"),
        pytest.param(288, True, False, id="one more step"),
        pytest.param(288, False, True, id="one more step that is off"),
    ],
)
def test_a_model_of_another_recipe_is_refused(
    identifier_folder: Path, tmp_path: Path, database_settings: DatabaseSettings, size: int, enabled: bool, taken: bool
) -> None:
    copy = shutil.copytree(identifier_folder, tmp_path, dirs_exist_ok=True)
    steps = (*load_registry()["ct"].recipe.steps, StepSpec(name="greyscale", enabled=enabled))
    changed = read_manifest(copy).model_copy(update={"recipe": RecipeSpec(size=size, steps=steps)})
    (copy / MANIFEST_FILE).write_text(changed.model_dump_json())
    with nullcontext() if taken else pytest.raises(ValueError, match="another recipe than the registry's"):
        create_identification_app(tmp_path, database_settings=database_settings)


def test_a_model_without_a_calibration_is_refused(identifier_folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(identifier_folder, tmp_path, dirs_exist_ok=True)
    manifest = read_manifest(copy).model_copy(update={"calibration": None})
    (copy / MANIFEST_FILE).write_text(manifest.model_dump_json())
    with pytest.raises(ValueError, match="holds a model without calibration: train it again"):
        create_identification_app(tmp_path)
