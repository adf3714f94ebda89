import html
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, File, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from shared.contracts.public import Problem
from shared.errors import MedReIDError, RateLimited, Unauthenticated, UnsupportedModality, responses
from shared.service.problems import problem_types
from tests.shared.conftest import Logged
from tests.shared.service.running import Start

SECRET = "Jane-Roe-1970"

router = APIRouter()


class Circle(BaseModel):
    kind: Literal["circle"]


class Square(BaseModel):
    kind: Literal["square"]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")

    shape: Annotated[Circle | Square, Field(discriminator="kind")]


@router.get("/raise/{slug}", responses=responses(MedReIDError))
async def raise_problem(slug: str) -> None:
    raise problem_types()[slug]


@router.get("/http/{status}", responses=responses(MedReIDError))
async def raise_http(status: int) -> None:
    raise HTTPException(status, detail=SECRET)


@router.get("/defect/{patient_id}", responses=responses(MedReIDError))
async def defect(patient_id: str) -> None:
    raise KeyError(patient_id)


@router.get("/limited", responses=responses(MedReIDError))
async def limited() -> None:
    raise RateLimited(retry_after_s=7)


@router.get("/refused", responses=responses(MedReIDError))
async def refused() -> None:
    raise UnsupportedModality(extra={"probabilities": {"other": 1.0}})


@router.get("/search")
async def search(top_k: Annotated[int, Query(ge=1, le=10)], code: Annotated[str, Query(pattern="^[a-z]+$")]) -> None:
    """Two parameters with rules."""


@router.post("/shapes")
async def shapes(shape: Shape) -> None:
    """A body with rules."""


@router.post("/files")
async def files(file: Annotated[list[UploadFile], File()]) -> None:
    """A form with rules."""


@pytest.mark.parametrize("slug", sorted(problem_types()))
async def test_every_error_is_a_problem_whose_type_has_a_page(start: Start, slug: str) -> None:
    service = await start(router)
    answer = await service.client.get(f"/raise/{slug}")
    problem = Problem.model_validate(answer.json())
    error = problem_types()[slug]
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem.status, problem.title) == (error.status, error.status, error.title)
    page = await service.client.get(problem.type)
    assert page.status_code == 200
    assert html.escape(error.title) in page.text
    assert html.escape((error.__doc__ or "").splitlines()[0]) in page.text


async def test_the_instance_names_the_request_and_not_its_path(start: Start) -> None:
    problem = (await (await start(router)).client.get(f"/no/such/{SECRET}")).json()
    assert problem["instance"] == f"/requests/{problem['request_id']}"
    assert SECRET not in str(problem)


async def test_an_unknown_problem_type_has_no_page(start: Start) -> None:
    assert (await (await start()).client.get("/docs/problems/nonsense")).status_code == 404


async def test_a_wait_and_further_members_reach_the_caller(start: Start) -> None:
    client = (await start(router)).client
    assert (await client.get("/limited")).headers["retry-after"] == "7"
    assert (await client.get("/refused")).json()["probabilities"] == {"other": 1.0}


async def test_who_is_not_authenticated_learns_how_to_be(start: Start) -> None:
    answer = await (await start(router)).client.get(f"/raise/{Unauthenticated.slug}")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_every_wrong_field_is_named_with_its_rule(start: Start) -> None:
    answer = await (await start(router)).client.get("/search", params={"top_k": 11})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/docs/problems/invalid-input"
    assert answer.json()["detail"] == "query.top_k: Input should be less than or equal to 10; query.code: is missing"


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET", "url": "/search", "params": {"top_k": SECRET, "code": SECRET}},
        {"method": "POST", "url": "/shapes", "json": {"shape": {"kind": SECRET}, SECRET: 1}},
        {"method": "POST", "url": "/shapes", "json": SECRET},
        {"method": "POST", "url": "/shapes", "content": SECRET, "headers": {"content-type": "application/json"}},
        {"method": "POST", "url": "/files", "data": {"file": SECRET}},
        {"method": "POST", "url": "/files", "content": SECRET, "headers": {"content-type": "multipart/form-data"}},
    ],
)
async def test_no_problem_quotes_what_the_caller_sent(start: Start, logged: Logged, request_: dict[str, Any]) -> None:
    answer = await (await start(router)).client.request(**request_)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert SECRET not in answer.text
    assert SECRET not in str(logged())


async def test_a_field_that_is_not_known_is_said_to_be_so(start: Start) -> None:
    body = {"shape": {"kind": "circle"}, SECRET: 1}
    answer = await (await start(router)).client.post("/shapes", json=body)
    assert answer.json()["detail"] == "a field is not known here"


async def test_a_path_and_a_method_that_do_not_exist_are_problems(start: Start) -> None:
    client = (await start(router)).client
    assert (await client.get("/nowhere")).json()["type"] == "/docs/problems/not-found"
    wrong = await client.delete("/search")
    assert wrong.json()["type"] == "/docs/problems/method-not-allowed"
    assert wrong.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("raised", "status", "slug"),
    [
        (403, 403, "forbidden"),
        (413, 413, "payload-too-large"),
        (415, 415, "unsupported-media-type"),
        (418, 422, "invalid-input"),
        (503, 503, "unavailable"),
        (502, 500, "internal-error"),
    ],
)
async def test_exceptions_of_the_framework_become_problems(start: Start, raised: int, status: int, slug: str) -> None:
    answer = await (await start(router)).client.get(f"/http/{raised}")
    assert (answer.status_code, answer.json()["type"]) == (status, f"/docs/problems/{slug}")
    assert SECRET not in answer.text


async def test_a_defect_tells_the_caller_nothing_but_the_request_id(start: Start, logged: Logged) -> None:
    answer = await (await start(router)).client.get(f"/defect/{SECRET}", headers={"x-request-id": "request-0001"})
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == "request-0001"
    assert SECRET not in answer.text
    lines = logged()
    (error,) = [line for line in lines if line["level"] == "error"]
    assert (error["event"], error["error"], error["request_id"]) == ("unexpected exception", "KeyError", "request-0001")
    assert error["at"][-1].startswith("defect:")
    assert SECRET not in str(lines)


async def test_every_reference_of_the_description_resolves(start: Start) -> None:
    service = await start(router)
    description = (await service.client.get("/openapi.json")).json()
    assert service.app.openapi() is service.app.openapi()
    assert set(description["components"]["schemas"]["Problem"]["required"]) >= {"type", "title", "status", "detail"}
    for reference in references(description):
        assert reference.removeprefix("#/components/schemas/") in description["components"]["schemas"]


def references(part: Any) -> set[str]:
    """Every `$ref` in a description."""
    if isinstance(part, dict):
        here = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return here.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()
