"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from shared.service.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Addresses of the model services, credentials of callers, and limits of the gateway."""

    compa_url: Annotated[str, Field(description="URL of compa-service, without a path.")] = "http://compa-service:8000"
    service_urls: dict[str, str] = Field(
        default_factory=dict,
        description='URLs of the modality services, as JSON: `{"ct": "http://ct-service:8000"}`. A modality that is'
        " missing here is called at `http://<modality>-service:8000`.",
    )
    registry: Annotated[
        Path | None,
        Field(description="File with the registry of modalities. Unset: the registry that ships with this version."),
    ] = None
    decode_workers: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="Images decoded at once. Raise it with the cores. Each takes up to 1.4 GB of memory.",
        ),
    ] = 2
    uploads_at_once: Annotated[
        int,
        Field(
            ge=1,
            description="Uploads that are read and answered at once. Others wait, and callers take turns. They get"
            " 503 if the wait would exceed their deadline. Set 4 for each core.",
        ),
    ] = 8
    uploads_per_replica: Annotated[
        int,
        Field(
            ge=1,
            description="Uploads sent to one modality's service at once, for each of its replicas. Raise it with"
            " `MEDREID_WORKERS`. With higher values, one busy caller delays the others more.",
        ),
    ] = 3
    requests_per_minute: Annotated[
        int,
        Field(
            ge=1,
            description="Requests that one caller may send a minute to one gateway; further ones get 429. Lower it if"
            " one caller uses too much of the system.",
        ),
    ] = 6000
    metrics_public: Annotated[
        bool,
        Field(description="Serve `/metrics` without a key. Set it only if others cannot reach the port."),
    ] = False
    jwt_public_key_file: Annotated[
        Path | None, Field(description="PEM file with the public key of the issuer of JWTs. Unset: no JWT is accepted.")
    ] = None
    jwt_algorithm: Annotated[
        Literal["RS256", "ES256", "EdDSA"],
        Field(description="The only signature algorithm that is accepted in JWTs: `RS256`, `ES256` or `EdDSA`."),
    ] = "RS256"
    jwt_issuer: Annotated[
        str | None, Field(description="Value that the claim `iss` of a JWT must have. Required if JWTs are accepted.")
    ] = None
    jwt_audience: Annotated[str, Field(description="Value that the claim `aud` of a JWT must contain.")] = "medreid"
