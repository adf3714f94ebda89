"""The health check of the containers."""

from __future__ import annotations

import httpx
import pytest

from deploy.local.programs import free_port
from deploy.local.system import System
from shared.service.probe import is_ready

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(180)]


def test_a_ready_service_is_healthy_and_a_missing_one_is_not(system: System) -> None:
    assert is_ready(httpx.URL(system.address).port or 0)
    assert not is_ready(free_port())
