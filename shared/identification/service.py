"""The identification service of one modality: which enrolled patient does an image show?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request

from shared.contracts.internal import IdentifyAnswer, ModelDescription, Templates, VerifyAnswer
from shared.contracts.public import PatientId
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings
from shared.errors import NotFound, responses
from shared.gallery.postgres import PostgresGallery
from shared.identification.cohort import read_cohort
from shared.identification.matching import Matcher
from shared.keypoints.verification import build_verifier
from shared.modalities import RegistrySettings, load_registry
from shared.service.app_factory import ServiceDescription, ServiceFrame, create_service
from shared.service.context import deadline_of_request
from shared.service.model import LoadedModel, ModelServiceSettings, loaded_model
from shared.service.npy_body import GALLERY_ERRORS, MODEL_ERRORS, NPY_BODY, Images

router = APIRouter(prefix="/v1", tags=["identification"])


async def _matcher(request: Request) -> Matcher:
    matcher: Matcher = request.state.matcher
    return matcher


TheMatcher = Annotated[Matcher, Depends(_matcher)]


@router.post("/identify", responses=responses(*GALLERY_ERRORS), openapi_extra=NPY_BODY)
async def identify(
    images: Images, matcher: TheMatcher, top_k: Annotated[int, Query(ge=1, le=10)] = 3
) -> IdentifyAnswer:
    """Candidates for one probe (all images of the body), and the probability that the patient is not enrolled."""
    return await matcher.identify(images, top_k, deadline_of_request())


@router.post("/verify", responses=responses(*GALLERY_ERRORS, NotFound), openapi_extra=NPY_BODY)
async def verify(images: Images, patient_id: Annotated[PatientId, Query()], matcher: TheMatcher) -> VerifyAnswer:
    """How probable it is that the probe shows the claimed patient."""
    return await matcher.verify(images, patient_id, deadline_of_request())


@router.post("/templates", responses=responses(*MODEL_ERRORS), openapi_extra=NPY_BODY)
async def templates(images: Images, matcher: TheMatcher) -> Templates:
    """One template per image, for the gateway to enrol."""
    return await matcher.templates(images, deadline_of_request())


@router.get("/model")
async def model(loaded: Annotated[LoadedModel, Depends(loaded_model)]) -> ModelDescription:
    """The digest of the loaded model, and its threshold of the operating point `strict`."""
    manifest = loaded.manifest
    return ModelDescription(modality=manifest.name, model=manifest.digest, strict_threshold=manifest.strict_threshold)


def create_identification_app(
    folder: Path,
    settings: ModelServiceSettings | None = None,
    database_settings: DatabaseSettings | None = None,
) -> FastAPI:
    """Return the application that serves the model of a folder.

    Raises ValueError if the folder holds no calibrated identifier. Raises it too if the model's recipe is not the
    registry's: then templates and probes of one digest would come from different images.
    """
    settings = settings or ModelServiceSettings()
    frame = ServiceFrame(settings)
    loaded = LoadedModel(folder, frame, settings)
    if loaded.manifest.kind != "identifier":
        raise ValueError(
            f"{folder.name}/ holds no identification model: train one, or start the service of another folder"
        )
    calibration = loaded.manifest.calibration
    if calibration is None:
        raise ValueError(f"{folder.name}/ holds a model without calibration: train it again")
    entry, recipe = load_registry(RegistrySettings().registry)[loaded.manifest.name], loaded.manifest.recipe
    if recipe is not None and not recipe.same_as(entry.recipe):
        raise ValueError(
            f"{folder.name}/ has another recipe than the registry's: restore that recipe, or train the model again (if"
            " only the size of views differs, calibrate it again) and enrol all patients again"
        )
    verifier = build_verifier(entry)
    cohort = read_cohort(folder, loaded.manifest)
    database_settings = database_settings or DatabaseSettings()
    checks: dict[str, Any] = {"model": loaded.check}

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with open_database(database_settings) as database, loaded.loading():
            gallery = PostgresGallery(database)
            checks["database"] = gallery.ping
            yield {"model": loaded, "matcher": Matcher(loaded, calibration, gallery, verifier, cohort)}

    name = f"{loaded.manifest.name}-service"
    description = ServiceDescription(
        name=name,
        title=name,
        description="Finds the enrolled patient that an image shows. Internal: the gateway calls it.",
        lifespan=lifespan,
        routers=[router],
        checks=checks,
        started=loaded.started,
    )
    return create_service(description, frame)
