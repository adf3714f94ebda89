"""Problem details (RFC 9457) for every error, and the pages of their types."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from shared import errors
from shared.errors import PROBLEM_MEDIA_TYPE, InternalError, InvalidInput, MedReIDError, NotFound
from shared.service.context import current_request
from shared.ulid import new_ulid

PAGES = "/docs/problems"

TELLING = (
    "bool", "date", "enum", "finite_number", "float", "greater_than", "int", "json_invalid", "less_than", "list",
    "literal_error", "multiple_of", "string", "time", "too_long", "too_short",
)  # fmt: skip
"""Prefixes of the pydantic error types whose messages state the rule without quoting the value."""

BY_STATUS: dict[int, type[MedReIDError]] = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: NotFound,
    405: errors.MethodNotAllowed,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    429: errors.RateLimited,
    503: errors.Unavailable,
}
"""Problems for the exceptions that FastAPI and Starlette raise."""


def problem_types() -> dict[str, type[MedReIDError]]:
    """Return every class of the tree except the root, by its slug."""

    def walk(root: type[MedReIDError]) -> Iterator[type[MedReIDError]]:
        for child in root.__subclasses__():
            yield child
            yield from walk(child)

    return {error.slug: error for error in reversed(list(walk(MedReIDError))) if error.__module__ == errors.__name__}


def problem_response(error: MedReIDError) -> Response:
    """Return the answer for an error. `instance` has the request's id, as the path may hold a patient's identifier."""
    context = current_request.get()
    request_id = context.request_id if context else new_ulid()
    body: dict[str, Any] = {
        **error.extra,
        "type": f"{PAGES}/{error.slug}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": f"/requests/{request_id}",
        "request_id": request_id,
    }
    headers = {"retry-after": str(error.retry_after_s)} if error.retry_after_s is not None else {}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(body, error.status, headers, PROBLEM_MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Answer every expected exception with a problem. `RequestMiddleware` answers the others."""
    app.add_exception_handler(MedReIDError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _known(_request: Request, error: Exception) -> Response:
    return problem_response(error if isinstance(error, MedReIDError) else InternalError())


async def _invalid(_request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    return problem_response(InvalidInput("; ".join(_fault(fault) for fault in faults) or None))


def _fault(fault: dict[str, Any]) -> str:
    """Return what is wrong with which field. The value is not quoted, as it may be an identifier."""
    kind: str = fault["type"]
    place = [str(part) for part in fault["loc"] if part != "body"]
    if kind == "extra_forbidden":  # the last part is the name that the caller sent
        return ".".join([*place[:-1], "a field"]) + " is not known here"
    reason = str(fault["msg"]) if kind.startswith(TELLING) else "has a value that is not allowed"
    return f"{'.'.join(place) or 'body'}: {'is missing' if kind == 'missing' else reason}"


async def _http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind = BY_STATUS.get(status, InvalidInput if 400 <= status < 500 else InternalError)
    response = problem_response(kind())
    if isinstance(error, HTTPException) and error.headers and "allow" in {k.lower() for k in error.headers}:
        response.headers.update({k.lower(): v for k, v in error.headers.items()})
    return response


pages = APIRouter(prefix=PAGES, include_in_schema=False)


@pages.get("/{slug}")
async def problem_page(slug: str) -> Response:
    """Return the page of a problem type: its meaning and what to do."""
    error = problem_types().get(slug)
    if error is None:
        raise NotFound
    title, meaning, advice = (html.escape(text) for text in (error.title, error.__doc__ or "", error.default_detail))
    return HTMLResponse(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>Status {error.status}. {meaning}</p><p>{advice}</p></html>"
    )
