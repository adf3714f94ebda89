"""Who may do what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.conftest import System
from tests.gateway.pictures import png

ROUTES = [
    ("POST", "/v1/identify", {"identify"}),
    ("POST", "/v1/preview", {"identify"}),
    ("POST", "/v1/verify", {"verify"}),
    ("POST", "/v1/patients/P-1/images", {"enrol"}),
    ("GET", "/v1/patients", {"enrol", "admin"}),
    ("GET", "/v1/patients/P-1", {"enrol", "admin"}),
    ("DELETE", "/v1/patients/P-1", {"erase"}),
    ("DELETE", "/v1/patients/P-1/images/01JD3Q4M9T7V2X5Z8B1C6F0GHK", {"erase"}),
    ("GET", "/v1/modalities", {"identify", "verify", "enrol", "erase", "admin"}),
    ("GET", "/metrics", {"admin"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_a_route_answers_only_to_its_scopes(system: System, method: str, path: str, allowed: set[str]) -> None:
    for scope in ("identify", "verify", "enrol", "erase", "admin"):
        files = {"file": png(1)} if method == "POST" else None
        data = {"patient_id": "P-1", "modality": "ct"} if path.endswith("verify") else None
        answer = await system.client.request(method, path, headers=system.headers(scope), files=files, data=data)
        assert (answer.status_code == 403) == (scope not in allowed), scope
        assert answer.status_code != 401


@pytest.mark.parametrize("header", [None, "Bearer mrid_wrong", "Bearer a.b.c", "Basic dXNlcjpwYXNz"])
async def test_no_route_answers_without_a_valid_key(system: System, header: str | None) -> None:
    headers = {"authorization": header} if header else {}
    for method, path, _ in ROUTES:
        answer = await system.client.request(method, path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "form",
    [
        pytest.param({"files": {"file": b""}}, id="an empty file"),
        pytest.param({"files": {"file": png(1)}, "data": {"unknown": "1"}}, id="a field that is not known"),
        pytest.param({"content": b"x" * 100, "headers": {"content-type": "multipart/form-data"}}, id="no form"),
    ],
)
async def test_without_a_key_nothing_else_is_said(system: System, form: dict[str, Any]) -> None:
    for method, path, _ in ROUTES:
        if method == "POST":
            assert (await system.client.post(path, **form)).status_code == 401, path


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health/live", "/health/startup", "/assets/app.js"])
async def test_pages_and_health_are_open(system: System, path: str) -> None:
    assert (await system.client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_nothing_from_elsewhere(system: System, path: str) -> None:
    page = await system.client.get(path)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "https://" not in page.text


async def test_every_problem_type_resolves_to_a_page(system: System) -> None:
    for slug in ("unreadable-image", "queue-full", "rate-limited", "internal-error"):
        assert (await system.client.get(f"/docs/problems/{slug}")).status_code == 200
    assert (await system.client.get("/docs/problems/none")).status_code == 404
