"""Request bodies of images as `application/x-npy`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from shared.contracts.internal import NPY_MEDIA_TYPE
from shared.errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    InvalidInput,
    MedReIDError,
    PayloadTooLarge,
    QueueFull,
    ServiceUnavailable,
    Unavailable,
    UnsupportedMediaType,
)
from shared.images import npy_codec
from shared.images.views import ImageBatch

MAX_IMAGES = 64
MAX_SIDE = 512
NPY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            NPY_MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": f"npy of uint8 (n, h, w, 3), RGB; n up to {MAX_IMAGES}, sides up to {MAX_SIDE}.",
                }
            }
        },
    }
}
MODEL_ERRORS: tuple[type[MedReIDError], ...] = (
    InvalidInput,
    UnsupportedMediaType,
    PayloadTooLarge,
    Unavailable,
    QueueFull,
    ServiceUnavailable,
    DeadlineExceeded,
)
GALLERY_ERRORS = (*MODEL_ERRORS, DatabaseUnavailable)


async def _images(request: Request) -> ImageBatch:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != NPY_MEDIA_TYPE:
        raise UnsupportedMediaType(f"This media type is not accepted. Send the images as {NPY_MEDIA_TYPE}.")
    return npy_codec.decode(await request.body(), max_images=MAX_IMAGES, max_side=MAX_SIDE)


Images = Annotated[ImageBatch, Depends(_images)]
"""uint8 (n, h, w, 3) RGB out of the request's body."""
