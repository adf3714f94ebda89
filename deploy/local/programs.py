"""Which processes make up the system, and how each is started."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.local.processes import mark
from deploy.local.state_folder import REPOSITORY, StateFolder
from shared.modalities import load_registry

HOST = "127.0.0.1"
DATABASE, MODELS, GATEWAY = "database", "models", "gateway"
"""Groups, in the order in which they start; they stop the other way round."""

FRUGAL = {
    # One request at a time is inferred per process: threads of the numeric libraries would fight for the same cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    # Two arenas instead of eight per core: most of what a long-lived service holds is otherwise freed memory.
    "MALLOC_ARENA_MAX": "2",
    # What one request frees the next one needs: it goes back to the kernel when a service rests, and not before
    # (shared/service/memory.py). Left to itself, glibc gives back and takes again within a request.
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "134217728",
}


@dataclass(frozen=True)
class Program:
    """One supervised process."""

    name: str
    group: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    address: str | None = None
    """Where it answers `/health/ready`; None for the database."""
    autostart: bool = False


def programs(folder: StateFolder, port: int) -> list[Program]:
    """The database, one process per model, and the gateway on `port`."""
    models = [_model(folder, name, free_port()) for name in ("compa", *load_registry().names)]
    return [_database(folder), *models, _gateway(folder, port, models)]


def _database(folder: StateFolder) -> Program:
    command = [sys.executable, "-m", "shared.database", "serve"]
    command += ["--data", str(folder.data), "--url-file", str(folder.database_url)]
    # the embedded server's lock lies in the temporary folder under one name for all users of the machine
    environment = {**mark(folder, DATABASE), "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder.socket.parent)}
    return Program(DATABASE, DATABASE, command, environment, autostart=True)


def _model(folder: StateFolder, name: str, port: int) -> Program:
    code = REPOSITORY / f"{name}-service"
    environment = _environment(folder, code.name, port)
    return Program(code.name, MODELS, [sys.executable, str(code / "app.py")], environment, address(port))


def _gateway(folder: StateFolder, port: int, models: Sequence[Program]) -> Program:
    compa, *identifiers = models
    urls = {program.name.removesuffix("-service"): program.address for program in identifiers}
    environment = {
        **_environment(folder, GATEWAY, port),
        "MEDREID_COMPA_URL": str(compa.address),
        "MEDREID_SERVICE_URLS": json.dumps(urls),
    }
    return Program(GATEWAY, GATEWAY, [sys.executable, "-m", "gateway"], environment, address(port))


def _environment(folder: StateFolder, name: str, port: int) -> dict[str, str]:
    return {
        **mark(folder, name),
        **FRUGAL,
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "MEDREID_HOST": HOST,
        "MEDREID_PORT": str(port),
        "MEDREID_DATABASE_URL_FILE": str(folder.database_url),
        # Not through the supervisor, which would wake up for every line: what it sees is what is no log.
        "MEDREID_LOG_FILE": str(folder.logs / f"{name}.log"),
    }


def address(port: int) -> str:
    """URL of a port of this machine."""
    return f"http://{HOST}:{port}"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether the gateway could listen on `port`."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True
