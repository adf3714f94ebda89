"""The exceptions. Each class is one problem type of RFC 9457 and documents itself in OpenAPI.

    MedReIDError
    ├── InvalidInput                 422 invalid-input
    │   ├── UnreadableImage          422 unreadable-image
    │   ├── BlankImage               422 blank-image
    │   ├── UnsupportedModality      422 unsupported-modality   (+ probabilities)
    │   └── NoOperatingPoint         422 no-operating-point
    ├── UnsupportedMediaType         415 unsupported-media-type
    ├── PayloadTooLarge              413 payload-too-large
    ├── Unauthenticated              401 unauthenticated
    ├── Forbidden                    403 forbidden
    ├── NotFound                     404 not-found
    ├── MethodNotAllowed             405 method-not-allowed
    ├── Conflict                     409 conflict
    ├── RateLimited                  429 rate-limited           (+ Retry-After)
    ├── InternalError                500 internal-error
    ├── BadUpstream                  502 bad-upstream
    ├── Unavailable                  503 unavailable            (+ Retry-After)
    │   ├── QueueFull                503 queue-full
    │   ├── ServiceUnavailable       503 service-unavailable
    │   ├── DatabaseUnavailable      503 database-unavailable
    │   └── WrongService             503 wrong-service
    └── DeadlineExceeded             504 deadline-exceeded

A detail says what to do and never holds a patient identifier, a file name, a DICOM tag or a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class MedReIDError(Exception):
    """Base of all errors. `detail` is shown to the caller; `extra` becomes further members of the problem."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    default_detail: ClassVar[str] = "The request could not be completed. Quote the request_id when you report it."

    def __init__(
        self, detail: str | None = None, *, retry_after_s: int | None = None, extra: Mapping[str, Any] | None = None
    ) -> None:
        self.detail = detail or self.default_detail
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})
        super().__init__(self.detail)


class InvalidInput(MedReIDError):
    """A field is missing, empty or out of range."""

    status = 422
    slug = "invalid-input"
    title = "Invalid input"
    default_detail = "A field of the request is missing or has a value that is not allowed."


class UnreadableImage(InvalidInput):
    """The file is not a readable image: unknown content, truncated, corrupt, or DICOM without pixels."""

    slug = "unreadable-image"
    title = "Unreadable image"
    default_detail = "The upload is not a readable image. Send a complete PNG, JPEG, TIFF, WebP, BMP or DICOM file."


class UnsupportedModality(InvalidInput):
    """The image is of none of the modalities. `probabilities` has COMPA's answer."""

    slug = "unsupported-modality"
    title = "Unsupported modality"
    default_detail = (
        "The image looks like none of the supported modalities: a page, a screenshot, a localizer or another part of"
        " the body, for example. Send the image itself, as the scanner or camera made it."
    )


class BlankImage(InvalidInput):
    """The image has only one shade, or no part is bright enough to be anatomy. All such images look alike."""

    slug = "blank-image"
    title = "Blank image"
    default_detail = "The image shows no anatomy: it is blank or nearly black. Check its grey window and send it again."


class NoOperatingPoint(InvalidInput):
    """The model of the modality has no threshold for this operating point."""

    slug = "no-operating-point"
    title = "No such operating point"
    default_detail = (
        "The model of this modality has no strict threshold. Use another operating point or send `threshold`."
        " `python -m training.calibration.recalibrate` gives the model one."
    )


class UnsupportedMediaType(MedReIDError):
    """The request body, or a file in it, has a type that is not accepted."""

    status = 415
    slug = "unsupported-media-type"
    title = "Unsupported media type"
    default_detail = "This type of file is not accepted. Send PNG, JPEG, TIFF, WebP, BMP or DICOM."


class PayloadTooLarge(MedReIDError):
    """The request is larger than the limit, or the image has too many pixels."""

    status = 413
    slug = "payload-too-large"
    title = "Payload too large"
    default_detail = "The request is larger than the limit. Send fewer or smaller images."


class Unauthenticated(MedReIDError):
    """The request has no valid API key or JWT."""

    status = 401
    slug = "unauthenticated"
    title = "Unauthenticated"
    default_detail = "Send `Authorization: Bearer <api key>` with a valid key."


class Forbidden(MedReIDError):
    """The key is valid but lacks the scope."""

    status = 403
    slug = "forbidden"
    title = "Forbidden"
    default_detail = "This key lacks the scope that the request needs. Use a key that has it."


class NotFound(MedReIDError):
    """There is no such patient, image or path."""

    status = 404
    slug = "not-found"
    title = "Not found"
    default_detail = "There is no such resource. Check the path and the id."


class MethodNotAllowed(MedReIDError):
    """The path does not accept this method."""

    status = 405
    slug = "method-not-allowed"
    title = "Method not allowed"
    default_detail = "This path does not accept that method. The header `Allow` lists the methods that it accepts."


class Conflict(MedReIDError):
    """The `Idempotency-Key` was used before with another request."""

    status = 409
    slug = "conflict"
    title = "Conflict"
    default_detail = "This Idempotency-Key was used with another body. Use a new key for a new request."


class RateLimited(MedReIDError):
    """The caller sends more requests a minute than the limit."""

    status = 429
    slug = "rate-limited"
    title = "Too many requests"
    default_detail = "This key has sent too many requests. Wait for the seconds in `Retry-After`, then try again."


class InternalError(MedReIDError):
    """A defect of the system. The cause is in its log, not in the answer."""


class BadUpstream(MedReIDError):
    """A service behind the gateway sent an answer that the gateway does not understand."""

    status = 502
    slug = "bad-upstream"
    title = "Bad answer from a service"
    default_detail = "A service gave an unexpected answer. Try again. If it happens again, report the request_id."


class Unavailable(MedReIDError):
    """A part that the request needs is not available. `Retry-After` says in how many seconds to try again."""

    status = 503
    slug = "unavailable"
    title = "Service unavailable"
    default_detail = "The service is not available at the moment. Try again after the seconds in `Retry-After`."

    def __init__(
        self, detail: str | None = None, *, retry_after_s: int = 2, extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail, retry_after_s=retry_after_s, extra=extra)


class QueueFull(Unavailable):
    """The request would wait longer in the queue than its deadline allows."""

    slug = "queue-full"
    title = "Queue full"
    default_detail = (
        "The system is busy and has no place for another request. Try again after the seconds in `Retry-After`."
    )


class ServiceUnavailable(Unavailable):
    """The service of one modality is down or still loading. The others work."""

    slug = "service-unavailable"
    title = "Model service unavailable"
    default_detail = (
        "The service of this modality is not available at the moment. Try again later. Other modalities work."
    )


class DatabaseUnavailable(Unavailable):
    """The database does not answer. This does not mean that no patient is enrolled."""

    slug = "database-unavailable"
    title = "Gallery unavailable"
    default_detail = "The gallery does not answer, so no patient can be searched or stored. Try again later."


class WrongService(Unavailable):
    """A call between services reached the wrong service, because an address has just changed."""

    slug = "wrong-service"
    title = "Wrong service"
    default_detail = "The request reached another service, because an address has just changed. Try again."


class DeadlineExceeded(MedReIDError):
    """A service answered too late, or the body of the request did not arrive in time."""

    status = 504
    slug = "deadline-exceeded"
    title = "Deadline exceeded"
    default_detail = "The answer did not come in time. Try again. If it happens again, send fewer or smaller images."


PROBLEM_MEDIA_TYPE = "application/problem+json"
"""RFC 9457, section 6.1."""


def responses(*errors: type[MedReIDError]) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` argument of a FastAPI route: one entry a status, with one example an error class."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = documented.setdefault(
            error.status,
            {
                "description": error.title,
                "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        entry["content"][PROBLEM_MEDIA_TYPE]["examples"][error.slug] = {
            "summary": (error.__doc__ or error.title).splitlines()[0],
            "value": {
                "type": f"/docs/problems/{error.slug}",
                "title": error.title,
                "status": error.status,
                "detail": error.default_detail,
                "instance": "/requests/01JD3Q4M9T7V2X5Z8B1C6F0GHK",
                "request_id": "01JD3Q4M9T7V2X5Z8B1C6F0GHK",
            },
        }
    return documented
