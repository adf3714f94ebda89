"""Structured logs: one JSON object a line. Nothing of a patient, a file name, a tag or a raw path goes in."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared.service.context import current_request

QUIET = ("httpx", "httpcore", "uvicorn.access", "pydicom", "PIL", "psycopg", "psycopg.pool", "multipart")
"""Libraries whose messages quote URLs, tags or values; below error they say nothing."""


def configure_logs(service: str, level: str) -> None:
    """Write the logs of structlog and of the standard library to stdout, as JSON lines."""
    structlog.configure(
        processors=[
            _add_request,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _service(service),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = _Bridge()
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def describe(error: BaseException) -> dict[str, Any]:
    """Type and places of an exception, never its message: that may quote what the caller sent."""
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return {"error": type(error).__name__, "at": [f"{frame.name}:{frame.lineno}" for frame in frames]}


def _add_request(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = current_request.get()
    if context is not None:
        event["request_id"], event["trace"] = context.request_id, context.traceparent.split("-")[1]
    return event


def _service(name: str) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = name
        return event

    return add


class _Bridge(logging.Handler):
    """The standard library's records as structlog events; of a record's exception only its type and place.

    A library's message is shown as the template that it is in the source, without its arguments. Where there are no
    arguments the text may have been put together before (asyncio quotes whole exceptions so) and is withheld.
    """

    def emit(self, record: logging.LogRecord) -> None:
        details = describe(record.exc_info[1]) if record.exc_info and record.exc_info[1] else {}
        place = f"{record.module}:{record.lineno}"
        structlog.get_logger(record.name).log(
            record.levelno, _harmless(record), logger=record.name, place=place, **details
        )


def _harmless(record: logging.LogRecord) -> str:
    if record.name.startswith("uvicorn"):  # speaks of processes and addresses; its access log is silenced
        return record.getMessage().strip()
    return str(record.msg) if record.args else "(message withheld)"
