"""Settings that every service has; each is an environment variable `MEDREID_<NAME>`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Where a service listens, how much it takes on, how it stops."""

    model_config = SettingsConfigDict(env_prefix="MEDREID_", frozen=True, extra="ignore")

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on.")] = 8000
    unix_socket: Annotated[Path | None, Field(description="Socket file to listen on, instead of address and port.")] = (
        None
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Lowest level that is logged.")
    ] = "info"
    log_file: Annotated[
        Path | None, Field(description="File for the log, in place of standard output; begun anew at 10 MB, one kept.")
    ] = None
    deadline_ms: Annotated[
        int, Field(gt=0, description="Time for one request where the caller states none, in milliseconds.")
    ] = 10_000
    queue_capacity: Annotated[int, Field(ge=1, description="Requests that may wait for the model; more get 503.")] = 32
    drain_seconds: Annotated[
        float, Field(ge=0, description="Time for requests in flight after SIGTERM, in seconds.")
    ] = 10.0
    max_request_bytes: Annotated[int, Field(gt=0, description="Largest request body, in bytes.")] = 64 * 2**20
