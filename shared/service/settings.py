"""Settings that every service has; each is an environment variable `MEDREID_<NAME>`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Address, limits and shutdown of a service."""

    model_config = SettingsConfigDict(env_prefix="MEDREID_", frozen=True, extra="ignore")

    host: Annotated[
        str, Field(description="IP address to listen on. Set `0.0.0.0` to be reached from other machines.")
    ] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65535, description="TCP port to listen on. Change it if the port is taken.")
    ] = 8000
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(
            description="Lowest level that is logged: `debug`, `info`, `warning` or `error`. Set `warning` for a log"
            " without a line for each request."
        ),
    ] = "info"
    deadline_ms: Annotated[
        int,
        Field(
            gt=0,
            description="Time limit of one request in milliseconds, waiting included. The header `x-deadline-ms`"
            " overrides it. Raise it if clients prefer waiting to 503.",
        ),
    ] = 10_000
    queue_capacity: Annotated[
        int,
        Field(
            ge=1,
            description="Requests that may wait for the model of this service; further ones get 503 `queue-full`. Keep"
            " it above `MEDREID_UPLOADS_AT_ONCE` times the number of gateways.",
        ),
    ] = 64
    drain_seconds: Annotated[
        float,
        Field(
            ge=0,
            description="Seconds that requests have to finish after SIGTERM. Keep it below the container's grace"
            " period.",
        ),
    ] = 10.0
    max_request_bytes: Annotated[
        int,
        Field(gt=0, description="Largest request body in bytes; a larger one gets 413. Change the proxy's limit too."),
    ] = 64 * 2**20
