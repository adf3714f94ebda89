"""The setting that names the registry file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RegistrySettings(BaseSettings):
    """Location of the registry. The gateway and all identification services must use the same one."""

    model_config = SettingsConfigDict(env_prefix="MEDREID_", frozen=True, extra="ignore")

    registry: Annotated[
        Path | None, Field(description="File with the registry of modalities. Default: the shipped one.")
    ] = None
