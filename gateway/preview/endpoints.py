"""`POST /v1/preview`."""

from __future__ import annotations

from typing import Annotated

import cv2
from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.auth.dependencies import requires
from gateway.auth.scopes import Caller, Scope
from gateway.error_responses import UPLOAD_ERRORS
from gateway.state import State
from gateway.uploads import AcceptAny, ModalityField, Uploads, only_fields
from shared.errors import InvalidInput, responses

router = APIRouter(prefix="/v1", tags=["preview"])


@router.post(
    "/preview",
    response_class=Response,
    responses={**responses(*UPLOAD_ERRORS), 200: {"content": {"image/png": {}}}},
    dependencies=[Depends(only_fields("modality", "accept_any"))],
)
async def preview(
    file: Uploads,
    _caller: Annotated[Caller, requires(Scope.IDENTIFY)],
    state: State,
    accept_any: AcceptAny,
    modality: ModalityField = None,
) -> Response:
    """Return one image as the model sees it, as PNG. The header `x-medreid-modality` names its modality."""
    if len(file) != 1:
        raise InvalidInput("A preview shows one image. Send one part named `file`.")
    (prepared,) = await state.pipeline.prepare(file, modality, accept_any=accept_any)
    _, data = cv2.imencode(".png", cv2.cvtColor(prepared.view, cv2.COLOR_RGB2BGR))
    headers = {"x-medreid-modality": prepared.modality.name, "cache-control": "no-store"}
    return Response(data.tobytes(), media_type="image/png", headers=headers)
