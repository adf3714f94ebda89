"""Reading multipart uploads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import Depends, File, Form, Request, UploadFile
from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from gateway.auth.dependencies import any_caller
from gateway.auth.scopes import Caller, Scope
from shared.errors import Forbidden, InvalidInput
from shared.service.npy_body import MAX_IMAGES


def only_fields(*allowed: str) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency that refuses other form fields, so that a misspelt one is not ignored."""

    async def check(request: Request) -> None:
        unknown = set((await request.form()).keys()) - {"file", *allowed}
        if unknown:
            known = ", ".join(("file", *allowed))
            raise InvalidInput(f"The form has an unknown field. Send only these fields: {known}.")

    return check


async def _contents(
    file: Annotated[
        list[UploadFile], File(description="1 to 64 images: PNG, JPEG, TIFF, WebP, BMP or DICOM with one frame.")
    ],
) -> Sequence[bytes]:
    if len(file) > MAX_IMAGES:
        raise InvalidInput(f"The form has {len(file)} parts named `file`. Send at most {MAX_IMAGES}.")
    contents = [await part.read() for part in file]
    if not all(contents):
        raise InvalidInput(f"Part {contents.index(b'') + 1} of {len(contents)} named `file` is empty. Send an image.")
    return contents


Uploads = Annotated[Sequence[bytes], Depends(_contents)]
"""The bytes of every part named `file`."""


class OptionalField:
    """Describe an optional form field in OpenAPI.

    It is never null, because a form cannot send null. Swagger UI fills in the example, which is empty: FastAPI
    reads an empty field as one that was not sent.
    """

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Replace `anyOf` with the schema of the value."""
        described = handler(schema)
        value, _null = described.pop("anyOf")
        return {**value, **described, "examples": [""]}


ModalityField = Annotated[
    str | None,
    OptionalField(),
    Form(description="Modality of the images, such as `ct`. Without it, the DICOM header or COMPA tells it."),
]


async def _accept_any(
    caller: Annotated[Caller, Depends(any_caller)],
    accept_any: Annotated[  # noqa: FBT002 - a field of the form, not an argument
        bool,
        Form(
            description="Accept images that COMPA refuses, or sees as another modality, under the stated modality."
            " Needs the scope `admin`. Such images can be named wrongly."
        ),
    ] = False,
) -> bool:
    if accept_any and Scope.ADMIN not in caller.scopes:
        raise Forbidden("The field `accept_any` needs the scope `admin`. Leave it out, or use a key that has it.")
    return accept_any


AcceptAny = Annotated[bool, Depends(_accept_any)]
"""Whether images that COMPA refuses are accepted under the modality that the caller or the DICOM header states."""
