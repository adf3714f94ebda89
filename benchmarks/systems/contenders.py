"""The compared systems: how to start each, and how to send it load."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

from benchmarks.load.plan import Plan, Sample
from benchmarks.load.worker import Worker
from benchmarks.systems.medreid import MedreidSystem
from benchmarks.systems.peers.floor import CORES
from benchmarks.systems.peers.peer_pipeline import GALLERY_VARIABLE, WORKERS_VARIABLE
from benchmarks.workload import ROOT
from deploy.local.processes import memory
from deploy.local.programs import FRUGAL, HOST, free_port
from deploy.local.state_folder import REPOSITORY

PATIENCE_S = 240.0
CONNECTIONS = 1000
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(REPOSITORY)}
OURS, FLOOR, FLASK, FASTAPI = "ours", "floor", "flask", "fastapi"
LITSERVE, LITSERVE_ONE, BENTOML, BENTOML_ONE = "litserve", "litserve-1", "bentoml", "bentoml-1"
PEERS = (LITSERVE, BENTOML, LITSERVE_ONE, BENTOML_ONE, FASTAPI, FLASK)
KERAS = (FLASK, FASTAPI)
"""Peers that leave the threads to TensorFlow. The others have one thread for each interpreter."""
TITLES = {
    OURS: "MedReID: gateway, COMPA, modality services, PostgreSQL",
    FLOOR: "the floor: the pipeline in one process, no HTTP",
    LITSERVE: "LitServe, a worker for each core",
    LITSERVE_ONE: "LitServe as its quick start has it: one worker",
    BENTOML: "BentoML, a worker for each core",
    BENTOML_ONE: "BentoML as its quick start has it: one worker",
    FASTAPI: "FastAPI, Keras `predict`",
    FLASK: "Flask, Keras `predict`: the prior work",
}

Processes = Callable[[], Sequence[tuple[str, psutil.Process]]]


@dataclass(frozen=True)
class Contender:
    """A system under load. `plan` has its address and form; the methods add the amount of load."""

    name: str
    plan: Plan
    worker: Worker
    processes: Processes = field(repr=False)

    def saturate(self, pictures: Sequence[str], seconds: float, callers: int, first: int = 0) -> list[Sample]:
        """Closed loop: each caller sends the next picture when it has the answer."""
        callers = min(callers, CORES) if self.name == FLOOR else callers
        return self.worker.run(self.planned(pictures=pictures, seconds=seconds, connections=callers, first=first))

    def arrive(self, pictures: Sequence[str], seconds: float, rate: float, first: int = 0) -> list[Sample]:
        """Open loop: `rate` requests a second, independent of the answers."""
        changes = {"pictures": pictures, "seconds": seconds, "rate": rate, "connections": CONNECTIONS, "first": first}
        return self.worker.run(self.planned(**changes))

    def planned(self, **changes: object) -> Plan:
        """Return the plan with these changes."""
        return Plan(**{**vars(self.plan), **changes})

    def cpu_seconds(self) -> dict[int, float]:
        """Return user and system time until now, by process id."""
        return _each(self.processes(), lambda name, process: (process.pid, sum(process.cpu_times()[:2])))

    def memory_mb(self) -> dict[str, float]:
        """Return the proportional set size in MB, by process name."""
        return _each(self.processes(), lambda name, process: (name, memory(process) / 1e6))


def cpu_seconds_between(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """Return the CPU seconds between two readings. All time of a process that started since counts."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


Key = TypeVar("Key")


def _each(
    processes: Sequence[tuple[str, psutil.Process]], value: Callable[[str, psutil.Process], tuple[Key, float]]
) -> dict[Key, float]:
    sums: dict[Key, float] = {}
    for name, process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, OSError):  # the database ends a connection's process with it
            key, found = value(name, process)
            sums[key] = sums.get(key, 0.0) + found
    return sums


def medreid_contender(ours: MedreidSystem, generator: Worker) -> Contender:
    """Return our system as a contender."""
    return Contender(OURS, Plan(ours.url, (), 0.0, headers=ours.headers), generator, ours.processes)


@contextmanager
def floors(gallery: Path) -> Iterator[dict[bool, Contender]]:
    """Start the floor in a separate process, without and with local verification."""
    with Worker("benchmarks.systems.peers.floor", {**FRUGAL, **QUIET, GALLERY_VARIABLE: str(gallery)}) as worker:
        process = psutil.Process(worker.pid)
        yield {
            local: Contender(FLOOR, Plan("", (), 0.0, local=local), worker, lambda: [(FLOOR, process)])
            for local in (False, True)
        }


@contextmanager
def peers(names: Sequence[str], gallery: Path, generator: Worker) -> Iterator[dict[bool, list[Contender]]]:
    """Start the named peers together and wait for them, without and with local verification."""
    with ExitStack() as stack:
        started = {name: stack.enter_context(_started(name, gallery)) for name in names}
        for name, (process, port) in started.items():
            _wait(name, process, port)
        yield {
            local: [_asked(name, *started[name], generator, local=local) for name in names] for local in (False, True)
        }


def _asked(name: str, process: psutil.Process, port: int, generator: Worker, *, local: bool) -> Contender:
    plan = Plan(f"http://{HOST}:{port}/identify", (), 0.0, fields={"local": str(int(local))})
    return Contender(name, plan, generator, lambda: [(name, p) for p in (process, *process.children(recursive=True))])


@contextmanager
def _started(name: str, gallery: Path) -> Iterator[tuple[psutil.Process, int]]:
    port, workers = free_port(), 1 if name.endswith("-1") else CORES
    environment = {**os.environ, **QUIET, GALLERY_VARIABLE: str(gallery), WORKERS_VARIABLE: str(workers)}
    environment |= {} if name in KERAS else FRUGAL
    command = [str(part) for part in _command(name, port)]
    with (ROOT / f"{name}.log").open("w") as log:
        process = psutil.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield psutil.Process(process.pid), port
    finally:
        _stop(process)


def _command(name: str, port: int) -> Sequence[object]:
    bind, bento = f"{HOST}:{port}", "benchmarks.systems.peers.bentoml_litert:Identification"
    gunicorn: list[object] = ["gunicorn", "--workers", 1, "--threads", CORES, "--timeout", 300, "--bind", bind]
    uvicorn: list[object] = ["uvicorn", "--host", HOST, "--port", port, "--no-access-log", "--factory"]
    arguments: Mapping[str, Sequence[object]] = {
        FLASK: [*gunicorn, "benchmarks.systems.peers.flask_keras:create_app()"],
        FASTAPI: [*uvicorn, "benchmarks.systems.peers.fastapi_keras:create_app"],
        LITSERVE: ["benchmarks.systems.peers.litserve_litert", port],
        BENTOML: ["bentoml", "serve", bento, "--host", HOST, "--port", port, "--do-not-track", "--quiet"],
    }
    return [sys.executable, "-m", *arguments[name.removesuffix("-1")]]


def _wait(name: str, process: psutil.Process, port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    path = "/readyz" if name in {BENTOML, BENTOML_ONE} else "/health"
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        while time.monotonic() < deadline and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"http://{HOST}:{port}{path}").is_success:
                    return
            time.sleep(0.2)
    raise RuntimeError(f"{name} does not start; see .bench/{name}.log")


def _stop(process: psutil.Popen) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        family = [*process.children(recursive=True), psutil.Process(process.pid)]
        process.terminate()
        _, alive = psutil.wait_procs(family, timeout=10)
        for straggler in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
    process.wait(10)
