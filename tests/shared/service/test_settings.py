from typing import Annotated

import pytest
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.service.model import ModelServiceSettings
from shared.service.settings import ServiceSettings, settings_table


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDREID_PORT", "9000")
    monkeypatch.setenv("MEDREID_NOT_KNOWN", "1")
    assert ServiceSettings().port == 9000


@pytest.mark.parametrize(
    ("name", "value"), [("port", 70000), ("log_level", "loud"), ("queue_capacity", 0), ("max_request_bytes", 0)]
)
def test_a_setting_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        ServiceSettings.model_validate({name: value})


@pytest.mark.parametrize("settings", [ServiceSettings, ModelServiceSettings])
def test_every_setting_is_documented(settings: type[BaseSettings]) -> None:
    assert all(field.description for field in settings.model_fields.values())


def test_settings_become_a_table() -> None:
    class Example(BaseSettings):
        """Two settings."""

        model_config = SettingsConfigDict(env_prefix="MEDREID_")

        needed: Annotated[int, Field(description="Must be given.")]
        optional: int = 3

    assert settings_table(Example).splitlines() == [
        "| variable | default | meaning |",
        "|---|---|---|",
        "| `MEDREID_NEEDED` | required | Must be given. |",
        "| `MEDREID_OPTIONAL` | `3` |  |",
    ]
