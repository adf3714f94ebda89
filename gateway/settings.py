"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from shared.service.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Where the model services are, who may call, and how much the gateway takes on."""

    compa_url: Annotated[str, Field(description="Address of compa-service.")] = "http://compa-service:8000"
    service_urls: dict[str, str] = Field(
        default_factory=dict,
        description='Addresses by modality, as JSON; missing ones are "http://<modality>-service:8000".',
    )
    registry: Annotated[Path | None, Field(description="Registry of modalities, where not the one that ships.")] = None
    decode_workers: Annotated[
        int, Field(ge=1, le=16, description="Images decoded at once; one of 100 megapixels takes 1.4 GB.")
    ] = 2
    uploads_at_once: Annotated[
        int,
        Field(
            ge=1,
            description="Requests with images in work at once; as many may wait a moment, more get 503 unread.",
        ),
    ] = 8
    uploads_per_modality: Annotated[
        int, Field(ge=1, description="Of these at one modality's service; fewer while it is asked for more.")
    ] = 6
    requests_per_minute: Annotated[int, Field(ge=1, description="Requests of one caller a minute; more get 429.")] = (
        6000
    )
    metrics_public: Annotated[
        bool, Field(description="Whether /metrics needs no key; only where the network already guards it.")
    ] = False
    jwt_public_key_file: Annotated[
        Path | None, Field(description="PEM file of the issuer's public key; unset: JWTs are not accepted.")
    ] = None
    jwt_algorithm: Annotated[
        Literal["RS256", "ES256", "EdDSA"], Field(description="The one signature algorithm that is accepted.")
    ] = "RS256"
    jwt_issuer: Annotated[str | None, Field(description="Value that `iss` must have; required with the key.")] = None
    jwt_audience: Annotated[str, Field(description="Value that `aud` must hold.")] = "medreid"
