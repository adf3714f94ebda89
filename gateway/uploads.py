"""Reading multipart uploads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import Depends, File, Request, UploadFile

from shared.errors import InvalidInput
from shared.service.npy_body import MAX_IMAGES


def only_fields(*allowed: str) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses form fields of other names, so that a typing error is not silently ignored."""

    async def check(request: Request) -> None:
        unknown = set((await request.form()).keys()) - {"file", *allowed}
        if unknown:
            known = ", ".join(("file", *allowed))
            raise InvalidInput(f"The form has a field that is not known here; the fields are {known}.")

    return check


async def _contents(
    file: Annotated[
        list[UploadFile], File(description="1 to 64 images: PNG, JPEG, TIFF, WebP, BMP or single-frame DICOM.")
    ],
) -> Sequence[bytes]:
    if len(file) > MAX_IMAGES:
        raise InvalidInput(f"Send at most {MAX_IMAGES} parts named `file`.")
    contents = [await part.read() for part in file]
    if not all(contents):
        raise InvalidInput("A part named `file` is empty.")
    return contents


Uploads = Annotated[Sequence[bytes], Depends(_contents)]
"""The bytes of every part named `file`."""
