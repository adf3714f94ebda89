"""The errors that endpoints can answer, for OpenAPI."""

from __future__ import annotations

from gateway.auth.dependencies import AUTH_ERRORS
from shared.errors import (
    BadUpstream,
    BlankImage,
    DatabaseUnavailable,
    DeadlineExceeded,
    InvalidInput,
    MedReIDError,
    PayloadTooLarge,
    QueueFull,
    ServiceUnavailable,
    Unavailable,
    UnreadableImage,
    UnsupportedMediaType,
    UnsupportedModality,
)

STORE_ERRORS: tuple[type[MedReIDError], ...] = (*AUTH_ERRORS, InvalidInput, Unavailable)
UPLOAD_ERRORS: tuple[type[MedReIDError], ...] = (
    *STORE_ERRORS,
    UnreadableImage,
    BlankImage,
    UnsupportedModality,
    UnsupportedMediaType,
    PayloadTooLarge,
    QueueFull,
    ServiceUnavailable,
    DatabaseUnavailable,
    BadUpstream,
    DeadlineExceeded,
)
