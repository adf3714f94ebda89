"""What `/openapi.json` says to Swagger UI and to generators of clients."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.application import create_app
from gateway.settings import GatewaySettings
from shared.contracts import public
from shared.database.settings import DatabaseSettings


@pytest.fixture
def description(database_settings: DatabaseSettings) -> dict[str, Any]:
    return create_app(GatewaySettings(), database_settings).openapi()


UPLOADS = ["/v1/identify", "/v1/verify", "/v1/preview", "/v1/patients/{patient_id}/images"]


def _form(description: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the schema of a multipart body."""
    content = description["paths"][path]["post"]["requestBody"]["content"]
    name = content["multipart/form-data"]["schema"]["$ref"].rsplit("/", 1)[-1]
    schema: dict[str, Any] = description["components"]["schemas"][name]
    return schema


@pytest.mark.parametrize("path", UPLOADS)
def test_files_are_binary(description: dict[str, Any], path: str) -> None:
    file = _form(description, path)["properties"]["file"]
    assert (file["type"], file["items"]) == ("array", {"type": "string", "format": "binary"})


@pytest.mark.parametrize("path", UPLOADS)
def test_swagger_ui_fills_in_no_optional_field(description: dict[str, Any], path: str) -> None:
    """Without an example, Swagger UI fills in "string" as the modality, and a threshold with an operating point."""
    form = _form(description, path)
    optional = {name: field for name, field in form["properties"].items() if name not in form["required"]}
    assert "modality" in optional
    for name, field in optional.items():
        assert "default" in field or field["examples"] == [""], name


@pytest.mark.parametrize("path", UPLOADS)
def test_no_field_is_null(description: dict[str, Any], path: str) -> None:
    """A form cannot send null: a generated client would send the text "None"."""
    for name, field in _form(description, path)["properties"].items():
        assert "anyOf" not in field, name


def test_every_answer_has_an_example_of_its_form(description: dict[str, Any]) -> None:
    answers = {
        answer["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        for path, operations in description["paths"].items()
        if path.startswith("/v1/")
        for operation in operations.values()
        for status, answer in operation["responses"].items()
        if status in {"200", "201"} and "application/json" in answer.get("content", {})
    }
    assert "Identification" in answers
    for name in answers:
        (example,) = description["components"]["schemas"][name]["examples"]
        getattr(public, name).model_validate(example)
