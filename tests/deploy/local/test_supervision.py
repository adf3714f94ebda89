"""What the supervisor is told, and what it cannot be told."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from deploy.local.programs import Program, programs
from deploy.local.state_folder import StateFolder
from deploy.local.supervision import SupervisionError, Supervisor, configuration
from shared.modalities import load_registry

needs_ports = pytest.mark.enable_socket


def read(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser


@needs_ports
def test_the_database_starts_first_and_stops_last(tmp_path: Path) -> None:
    parsed = read(configuration(StateFolder(tmp_path), programs(StateFolder(tmp_path), 8000)))
    priorities = [parsed.getint(f"group:{group}", "priority") for group in ("database", "models", "gateway")]
    assert priorities == sorted(priorities)


@needs_ports
def test_every_modality_of_the_registry_has_a_process(tmp_path: Path) -> None:
    names = {program.name for program in programs(StateFolder(tmp_path), 8000)}
    assert names == {"database", "gateway", "compa-service", *(f"{name}-service" for name in load_registry().names)}


def test_percent_signs_and_quotes_in_values_survive(tmp_path: Path) -> None:
    program = Program("p", "g", ["run", "a b"], {"A": '{"x": "50 %"}'})
    section = read(configuration(StateFolder(tmp_path), [program]))["program:p"]
    assert section["environment"] == """A='{"x": "50 %%"}'"""
    assert section["command"] == "run 'a b'"


def test_a_value_with_both_quotes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SupervisionError, match="quotes"):
        configuration(StateFolder(tmp_path), [Program("p", "g", ["run"], {"A": "\"'"})])


def test_where_nothing_runs_nothing_is_listed(tmp_path: Path) -> None:
    assert Supervisor(StateFolder(tmp_path)).states() == []


def test_a_deep_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = StateFolder(tmp_path / ("x" * 200))
    assert len(str(deep.socket)) < 100
    assert StateFolder(tmp_path / ("y" * 200)).socket != deep.socket
