"""The supervisor's configuration."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.programs import programs
from deploy.local.state_folder import StateFolder
from deploy.local.supervision import SupervisionError, Supervisor, configuration
from deploy.local.system import System
from shared.modalities import load_registry

needs_ports = pytest.mark.enable_socket


@needs_ports
def test_the_database_starts_first_and_stops_last(tmp_path: Path) -> None:
    parsed = configparser.RawConfigParser()
    parsed.read_string(configuration(StateFolder(tmp_path), programs(8000)))
    priorities = [parsed.getint(f"group:{group}", "priority") for group in ("database", "models", "gateway")]
    assert priorities == sorted(priorities)


@needs_ports
def test_every_modality_of_the_registry_has_a_process() -> None:
    names = {program.name for program in programs(8000)}
    assert names == {"database", "gateway", "compa-service", *(f"{name}-service" for name in load_registry().names)}


def test_without_a_supervisor_there_are_no_states(tmp_path: Path) -> None:
    assert Supervisor(StateFolder(tmp_path)).states() == []


@pytest.mark.parametrize("name", ["x" * 200, "Anna's 50% folder"])
def test_a_long_or_odd_path_has_its_socket_elsewhere(tmp_path: Path, name: str) -> None:
    folder, other = StateFolder(tmp_path / name), StateFolder(tmp_path / f"{name}2")
    assert len(str(folder.socket)) < 100
    assert tmp_path not in folder.socket.parents
    assert folder.socket != other.socket


def test_a_path_that_postgresql_cannot_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SupervisionError, match='with " in its path'):
        System(StateFolder(tmp_path / 'a "b"'), Console(quiet=True)).up(8000)
