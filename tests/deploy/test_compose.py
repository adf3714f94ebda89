"""What the compose files promise; that they run is shown by `make test-containers`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.modalities import load_registry
from shared.service.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
MODELS = {"compa-service", *(f"{name}-service" for name in load_registry().names)}
OURS = {"gateway", "migrate", *MODELS}
SWARM_REFUSES = {"name"}
"""At the top of a file; and of a service, a mapping under `depends_on`."""
COMPOSE_ALONE = {"build", "depends_on", "tmpfs", "ports"}
"""Of a service: Swarm overlooks them, or publishes a port at every address of every node, whichever is named."""

Services = Mapping[str, dict[str, Any]]


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def services() -> Services:
    found: Services = load("compose.yaml")["services"]
    return found


def test_every_service_of_the_system_is_there(services: Services) -> None:
    assert set(services) == {*OURS, "db"}


def test_every_image_of_ours_is_built_from_its_target() -> None:
    builds = {name: service["build"] for name, service in load("compose.override.yaml")["services"].items()}
    assert set(builds) == OURS
    for name, build in builds.items():
        assert build["target"] == (name if name in {"gateway", "migrate"} else "model")
        assert build.get("args", {}).get("MODEL") == (name.removesuffix("-service") if name in MODELS else None)


def test_services_that_use_the_database_wait_for_the_migration() -> None:
    waiting = {
        name
        for name, service in load("compose.override.yaml")["services"].items()
        if service.get("depends_on", {}).get("migrate") == {"condition": "service_completed_successfully"}
    }
    assert waiting == OURS - {"migrate", "compa-service"}


def test_the_file_for_swarm_holds_nothing_that_swarm_refuses(services: Services) -> None:
    assert load("compose.yaml")["version"] == load("tests/containers/swarm.yaml")["version"]
    assert not SWARM_REFUSES & set(load("compose.yaml"))
    assert not [name for name, service in services.items() if COMPOSE_ALONE & set(service)]


def test_every_container_is_hardened_and_limited(services: Services) -> None:
    for name, service in services.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert any(volume["type"] == "tmpfs" for volume in service["volumes"])
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"])
        assert ("cap_add" in service) == (name == "db")


def test_only_the_gateway_is_published_and_can_reach_out(services: Services) -> None:
    published = {name: s["ports"] for name, s in load("compose.override.yaml")["services"].items() if "ports" in s}
    assert published == {"gateway": ["127.0.0.1:${PORT:-8000}:8000"]}
    assert {name for name, service in services.items() if service["networks"] != ["internal"]} == {"gateway"}
    assert load("compose.yaml")["networks"]["internal"] == {"internal": True}


def test_the_gateway_sees_every_replica_of_a_model(services: Services) -> None:
    assert all(services[name]["deploy"]["endpoint_mode"] == "dnsrr" for name in MODELS)


def test_updates_start_first_and_roll_back(services: Services) -> None:
    for name in {"gateway", *MODELS}:
        update = services[name]["deploy"]["update_config"]
        assert (update["order"], update["failure_action"]) == ("start-first", "rollback")


def test_a_container_is_not_stopped_before_it_has_drained(services: Services) -> None:
    drain = ServiceSettings.model_fields["drain_seconds"].default
    assert all(float(services[name]["stop_grace_period"].removesuffix("s")) > drain for name in {"gateway", *MODELS})


def test_services_of_a_modality_can_only_read_the_database(services: Services) -> None:
    writers = {name for name, service in services.items() if "database_url" in service.get("secrets", [])}
    reading = {"source": "database_reader_url", "target": "database_url"}
    readers = {name for name, service in services.items() if reading in service.get("secrets", [])}
    assert writers == {"gateway", "migrate"}
    assert readers == MODELS - {"compa-service"}


def test_secrets_are_files_and_no_value_is_in_the_compose_file(services: Services) -> None:
    assert {name: secret["file"] for name, secret in load("compose.yaml")["secrets"].items()} == {
        name: f".secrets/{name}"
        for name in ("database_url", "database_password", "database_reader_url", "database_reader_password")
    }
    for service in services.values():
        assert not [key for key in service.get("environment", {}) if "PASSWORD" in key or key.endswith("_URL")]
