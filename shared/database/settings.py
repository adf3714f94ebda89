"""Settings of the database and of gallery searches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """Connection and search settings. Either `database_url` or `database_url_file` must be set."""

    model_config = SettingsConfigDict(env_prefix="MEDREID_", frozen=True, extra="ignore")

    database_url: Annotated[
        SecretStr | None, Field(description="postgresql:// URL of the database. Set this or the next.")
    ] = None
    database_url_file: Annotated[
        Path | None, Field(description="File that holds the URL, such as a container secret.")
    ] = None
    database_connections: Annotated[
        int, Field(ge=1, le=100, description="Maximum connections of this process to the database.")
    ] = 4
    gallery_exact_up_to: Annotated[
        int,
        Field(
            ge=0,
            description="Maximum images of one modality for an exact search. With more, a search uses an index.",
        ),
    ] = 5_000
    gallery_ef_search: Annotated[
        int,
        Field(
            ge=1,
            le=1000,
            description="Images that an index search considers (hnsw.ef_search). More: slower, fewer missed patients.",
        ),
    ] = 400

    @model_validator(mode="after")
    def _one_is_set(self) -> DatabaseSettings:
        if self.database_url is None and self.database_url_file is None:
            raise ValueError("set MEDREID_DATABASE_URL or MEDREID_DATABASE_URL_FILE")
        return self

    @property
    def url(self) -> str:
        """The URL, from the setting or from the file."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if self.database_url_file is None:
            raise ValueError("set MEDREID_DATABASE_URL or MEDREID_DATABASE_URL_FILE")
        return self.database_url_file.read_text(encoding="utf-8").strip()
