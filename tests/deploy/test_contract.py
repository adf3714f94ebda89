"""The running services against their own OpenAPI: Schemathesis makes requests, the description judges the answers.

`SCHEMATHESIS_CASES=2000 pytest tests/deploy/test_contract.py` is the long run (`make schemathesis`).
"""

from __future__ import annotations

import json
import os
from typing import Any

import hypothesis
import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.local.system import System
from shared.contracts.internal import NPY_MEDIA_TYPE
from shared.images.npy_codec import encode

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(3000)]

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "200"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def pictures(count: int, side: int) -> bytes:
    return encode(np.full((count, side, side, 3), side % 256, np.uint8))


schemathesis.openapi.media_type(
    NPY_MEDIA_TYPE,
    st.one_of(st.builds(pictures, st.integers(0, 3), st.integers(1, 300)), st.binary(max_size=300)),
)


@schemathesis.serializer(NPY_MEDIA_TYPE)
def as_it_is(_context: schemathesis.SerializationContext, value: bytes) -> bytes:
    return value


def check_everything(base_url: str, key: str | None) -> int:
    """Every operation in turn, CASES requests in all; returns how many were made."""
    schema = schemathesis.openapi.from_url(f"{base_url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    headers = {"authorization": f"Bearer {key}"} if key else {}
    made = 0
    for operation in operations:

        @hypothesis.settings(
            max_examples=max(1, round(CASES / len(operations))),
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy())
        def one_operation(case: schemathesis.Case[Any]) -> None:
            nonlocal made
            made += 1
            case.call_and_validate(base_url=base_url, headers=headers, checks=CHECKS, timeout=20)

        one_operation()
    return made


def test_the_gateway_does_what_it_says(system: System) -> None:
    assert check_everything(system.address, system.admin_key) > 0


def test_a_modality_service_does_what_it_says(system: System) -> None:
    addresses = json.loads(system.folder.addresses.read_text())
    assert check_everything(addresses["ct-service"], None) > 0
