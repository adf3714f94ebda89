"""Where a service finds the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RegistrySettings(BaseSettings):
    """Identification services and gateway must be given the same registry."""

    model_config = SettingsConfigDict(env_prefix="MEDREID_", frozen=True, extra="ignore")

    registry: Annotated[Path | None, Field(description="Registry of modalities, where not the one that ships.")] = None
