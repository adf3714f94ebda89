"""The client of the demonstration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from deploy.local.demo.demo_api import REFUSED, Api, ApiError


def api(answer: Callable[[httpx.Request], httpx.Response]) -> Api:
    return Api("", "key", httpx.Client(base_url="http://gateway", transport=httpx.MockTransport(answer)))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "Jane_Doe.png"
    path.write_bytes(b"png")
    return path


def test_the_name_of_a_file_is_not_sent(picture: Path) -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return httpx.Response(201)

    api(answer).enrol("p", [picture])
    assert b"Jane" not in bodies[0]
    assert b'filename="image.png"' in bodies[0]


def test_it_retries_when_the_api_says_so(picture: Path) -> None:
    answers = iter([httpx.Response(503, headers={"retry-after": "0"}), httpx.Response(201)])
    api(lambda _: next(answers)).enrol("p", [picture])
    assert next(answers, None) is None  # both were asked for


def test_a_refusal_is_an_answer(picture: Path) -> None:
    problem = {"type": "/docs/problems/unsupported-modality"}
    assert api(lambda _: httpx.Response(422, json=problem)).identify(picture).decision == REFUSED


def test_anything_else_is_an_error(picture: Path) -> None:
    with pytest.raises(ApiError, match="422"):
        api(lambda _: httpx.Response(422, json={"type": "/docs/problems/unreadable-image"})).identify(picture)


def test_erasing_an_unknown_patient_is_no_error() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(404)

    api(answer).erase("p")
    assert asked == ["DELETE"]
