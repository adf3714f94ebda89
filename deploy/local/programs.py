"""The processes of the system: command, environment and address of each."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.state_folder import REPOSITORY, StateFolder
from shared.modalities import load_registry

HOST = "127.0.0.1"
DATABASE, MODELS, GATEWAY = "database", "models", "gateway"
"""Groups in the order in which they start; they stop in the reverse order."""

FOLDER_VARIABLE, NAME_VARIABLE = "MEDREID_LOCAL_FOLDER", "MEDREID_LOCAL_NAME"
"""Environment variables by which a process of a system is found again."""
SOCKETS_VARIABLE = "MEDREID_LOCAL_SOCKETS"

FRUGAL = {
    # A process infers one request at a time: threads of the numeric libraries would compete for the same cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    # Two arenas instead of eight per core: with more, freed memory would be most of a service's memory.
    "MALLOC_ARENA_MAX": "2",
    # The next request needs the memory that this one frees, so glibc keeps it. An idle service gives it back
    # (shared/service/allocator.py).
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "134217728",
}


@dataclass(frozen=True)
class Program:
    """One supervised process. No field holds a path of this machine: the supervisor could misread it."""

    name: str
    group: str
    arguments: Sequence[str]
    """Arguments of the Python interpreter."""
    directory: str
    """Working directory, by variables that the supervisor expands."""
    environment: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    """URL that answers `/health/ready`; None for the database."""

    @property
    def autostart(self) -> bool:
        """Whether it starts with the supervisor."""
        return self.group == DATABASE


def programs(port: int) -> list[Program]:
    """Return the database, one process per model, and the gateway on `port`."""
    serve = ["-m", "shared.database", "serve", "--data", "database", "--url-file", "database.url"]
    temporary = {"TMPDIR": f"%(ENV_{SOCKETS_VARIABLE})s"}  # its socket is there if its data folder has a long path
    database = Program(DATABASE, DATABASE, serve, f"%(ENV_{FOLDER_VARIABLE})s", temporary)
    compa, *identifiers = [_model(name, free_port()) for name in ("compa", *load_registry().names)]
    urls = {program.name.removesuffix("-service"): program.address for program in identifiers}
    environment = {
        "MEDREID_PORT": str(port),
        "MEDREID_COMPA_URL": str(compa.address),
        "MEDREID_SERVICE_URLS": json.dumps(urls),
    }
    gateway = Program(GATEWAY, GATEWAY, ["-m", "gateway"], "%(ENV_PYTHONPATH)s", environment, address(port))
    return [database, compa, *identifiers, gateway]


def _model(name: str, port: int) -> Program:
    service = f"{name}-service"
    directory = f"%(ENV_PYTHONPATH)s/{service}"
    return Program(service, MODELS, ["app.py"], directory, {"MEDREID_PORT": str(port)}, address(port))


def environment(folder: StateFolder) -> dict[str, str]:
    """Return the variables that all processes of a system inherit from the supervisor."""
    return {
        **os.environ,
        **FRUGAL,
        FOLDER_VARIABLE: str(folder.root),
        NAME_VARIABLE: "supervisor",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        SOCKETS_VARIABLE: str(folder.socket.parent),
        "MEDREID_HOST": HOST,
        "MEDREID_DATABASE_URL_FILE": str(folder.database_url),
    }


def address(port: int) -> str:
    """Return the URL of a port of this machine."""
    return f"http://{HOST}:{port}"


def free_port() -> int:
    """Return a port on which nothing listens at the moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Return whether the gateway could listen on `port`."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True
