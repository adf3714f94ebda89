"""The local system as `make up` starts it: real processes, real sockets of this machine, the real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from deploy.local.programs import free_port
from deploy.local.state_folder import StateFolder
from deploy.local.system import System


@pytest.fixture(scope="session")
def started(server_folder: Path) -> Iterator[System]:
    """One system for all tests, in a folder whose name a shell or a configuration file could misread."""
    system = System(StateFolder(server_folder / "Anna's 50% folder; #1"), Console(quiet=True))
    system.up(free_port())
    yield system
    system.down()


@pytest.fixture
def system(started: System) -> System:
    """The system with every process ready."""
    started.wait()
    return started


@pytest.fixture
def api(system: System) -> Iterator[httpx.Client]:
    """A caller with every scope."""
    headers = {"authorization": f"Bearer {system.admin_key}"}
    with httpx.Client(base_url=system.address, headers=headers, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def pid_of(system: System) -> Callable[[str], int]:
    """Process id by name, as the supervisor sees it."""
    return lambda name: next(state.pid for state in system.supervisor.states() if state.name == name)


@pytest.fixture(scope="session")
def picture(repository: Path) -> bytes:
    """A CT sample."""
    return (repository / "samples/images/ct/01-1.jpg").read_bytes()
