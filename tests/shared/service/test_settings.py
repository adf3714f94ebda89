import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from shared.service.model import ModelServiceSettings
from shared.service.settings import ServiceSettings


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
