"""Our own system for the bench, started as `make up` starts it: the real processes and the real database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.systems.template_set import enrol, load
from benchmarks.workload import ROOT
from deploy.local.processes import find
from deploy.local.programs import free_port
from deploy.local.state_folder import REPOSITORY, StateFolder
from deploy.local.system import System
from gateway.auth.keys import KeyRepository
from gateway.auth.scopes import Scope
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings
from shared.modalities import load_registry

REGISTRY = Path("shared/modalities/registry.toml")
UNLIMITED = {"MEDREID_REQUESTS_PER_MINUTE": "10000000", "MEDREID_LOG_LEVEL": "info"}
"""Requests a minute of one caller: the bench sends more than a caller usually may."""


class MedreidSystem:
    """The running system: gateway, COMPA, one service for each modality, and PostgreSQL."""

    def __init__(self, system: System) -> None:
        self._system = system

    @property
    def url(self) -> str:
        """Address of the identification route."""
        return f"{self._system.address}/v1/identify"

    @property
    def addresses(self) -> Mapping[str, str]:
        """Addresses of every service, by name."""
        return self._system.addresses

    @property
    def headers(self) -> dict[str, str]:
        """Headers with the key."""
        return {"authorization": f"Bearer {self._system.admin_key}"}

    def second_caller_headers(self) -> dict[str, str]:
        """Headers with the key of another caller, with the scope `identify`."""
        return {"authorization": f"Bearer {asyncio.run(_new_key(self._system.folder.database_url))}"}

    def processes(self) -> list[tuple[str, psutil.Process]]:
        """All processes by name, the supervisor among them."""
        return list(find(self._system.folder))


@contextmanager
def running(gallery: Path, *, local: bool) -> Iterator[MedreidSystem]:
    """Run the system with the templates of `gallery`; `local` switches the comparison of keypoints."""
    name = "all" if local else "global"
    system = System(StateFolder(ROOT / f"system-{name}"), Console(quiet=True))
    with environment(UNLIMITED | ({} if local else {"MEDREID_REGISTRY": str(_without_local())})):
        system.up(free_port(), fresh=True)
    try:
        asyncio.run(enrol(system.folder.database_url, load(gallery)))
        yield MedreidSystem(system)
    finally:
        system.down()


async def _new_key(url: Path) -> str:
    async with open_database(DatabaseSettings(database_url_file=url)) as database:
        return await KeyRepository(database).create("another", [Scope.IDENTIFY])


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes that start inside the `with` block. The supervisor passes them on."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _without_local() -> Path:
    """Return the shipped registry with local verification switched off."""
    shipped = REPOSITORY / REGISTRY
    path = ROOT / "registry-global.toml"
    ROOT.mkdir(parents=True, exist_ok=True)
    text = shipped.read_text(encoding="utf-8").replace("local_verification = true", "local_verification = false")
    path.write_text(text, encoding="utf-8")
    if any(modality.local_verification for modality in load_registry(path)):
        raise ValueError("the registry writes local_verification in a way that is not known here")
    return path
