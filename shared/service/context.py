"""The context of a request: its id, trace, deadline and caller."""

from __future__ import annotations

import re
import secrets
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

from shared.errors import DeadlineExceeded
from shared.ulid import new_ulid

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, version 00, section 3.2."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time until which the caller waits for the answer."""

    at: float = field(metadata={"unit": "seconds of time.monotonic()"})

    @classmethod
    def after(cls, milliseconds: float) -> Deadline:
        """Return the deadline that is so many milliseconds from now."""
        return cls(time.monotonic() + milliseconds / 1000)

    @property
    def remaining_s(self) -> float:
        """Seconds left; negative if the deadline has passed."""
        return self.at - time.monotonic()

    def check(self) -> None:
        """Raise DeadlineExceeded if the deadline has passed."""
        if self.remaining_s <= 0:
            raise DeadlineExceeded


@dataclass(slots=True)
class RequestContext:
    """One request's identity, deadline and caller (empty until the caller's credential is checked)."""

    request_id: str
    traceparent: str
    deadline: Deadline
    caller_id: str = ""


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)


def id_of_request() -> str:
    """Return the id of the current request; empty outside of a request."""
    context = current_request.get()
    return context.request_id if context else ""


def deadline_of_request() -> Deadline:
    """Return the deadline of the current request; ten seconds from now outside of a request."""
    context = current_request.get()
    return context.deadline if context else Deadline.after(10_000)


def valid_request_id(value: str | None) -> str:
    """Return the caller's request id if it has a safe form, otherwise a new one."""
    return value if value and REQUEST_ID.fullmatch(value) else new_ulid()


def valid_traceparent(value: str | None) -> str:
    """Return the caller's `traceparent` if it is valid, otherwise that of a new trace."""
    if value and TRACEPARENT.fullmatch(value):
        return value
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
