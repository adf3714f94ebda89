"""Where the database is, and how it is searched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """One of the two must be set; the file is for container secrets."""

    model_config = SettingsConfigDict(env_prefix="MEDREID_", frozen=True, extra="ignore")

    database_url: Annotated[SecretStr | None, Field(description="postgresql:// URL of the database.")] = None
    database_url_file: Annotated[Path | None, Field(description="File that holds the URL (a container secret).")] = None
    database_connections: Annotated[int, Field(ge=1, le=100, description="Connections that this process may hold.")] = 4
    gallery_exact_up_to: Annotated[
        int, Field(ge=0, description="Images of one modality and model up to which a search compares with all of them.")
    ] = 5_000
    gallery_ef_search: Annotated[
        int, Field(ge=1, le=1000, description="Images that a search of the index keeps in view (hnsw.ef_search).")
    ] = 400

    @model_validator(mode="after")
    def _one_is_set(self) -> DatabaseSettings:
        if self.database_url is None and self.database_url_file is None:
            raise ValueError("set MEDREID_DATABASE_URL or MEDREID_DATABASE_URL_FILE")
        return self

    @property
    def url(self) -> str:
        """The URL, from wherever it is set."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.database_url_file is None:
            raise ValueError("set MEDREID_DATABASE_URL or MEDREID_DATABASE_URL_FILE")
        return self.database_url_file.read_text(encoding="utf-8").strip()
