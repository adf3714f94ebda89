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


@pytest.mark.parametrize("path", UPLOADS)
def test_files_are_binary(description: dict[str, Any], path: str) -> None:
    content = description["paths"][path]["post"]["requestBody"]["content"]
    name = content["multipart/form-data"]["schema"]["$ref"].rsplit("/", 1)[-1]
    file = description["components"]["schemas"][name]["properties"]["file"]
    assert (file["type"], file["items"]) == ("array", {"type": "string", "format": "binary"})


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
