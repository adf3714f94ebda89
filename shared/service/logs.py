"""Structured logs: one JSON object a line, without patient identifiers, file names, DICOM tags or raw paths."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared.service.context import current_request

QUIET = ("httpx", "httpcore", "uvicorn.access", "pydicom", "PIL", "psycopg", "psycopg.pool", "multipart")
"""Libraries whose messages quote URLs, tags or values. Only their errors are logged."""


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
    """Return the type and places of an exception. Its message may quote what the caller sent, so it is left out."""
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
    """Pass the standard library's log records to structlog. Of an exception, only its type and place are logged.

    Of a message with arguments, the template is logged. A message without arguments is withheld, because it may have
    been formatted before: asyncio, for example, quotes whole exceptions.
    """

    def emit(self, record: logging.LogRecord) -> None:
        details = describe(record.exc_info[1]) if record.exc_info and record.exc_info[1] else {}
        place = f"{record.module}:{record.lineno}"
        structlog.get_logger(record.name).log(
            record.levelno, _harmless(record), logger=record.name, place=place, **details
        )


def _harmless(record: logging.LogRecord) -> str:
    if record.name.startswith("uvicorn"):  # writes only about processes and addresses, as its access log is off
        return record.getMessage().strip()
    return str(record.msg) if record.args else "(message withheld)"
