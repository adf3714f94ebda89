"""Time from the start of each service's process until it is ready."""

from __future__ import annotations

import time

import httpx
import psutil
from rich.progress import Progress

from benchmarks.systems.medreid import MedreidSystem, running
from benchmarks.workload import Workload
from deploy.local.readiness import is_ready

PATIENCE_S = 60.0
POLL_S = 0.02


def measure(workload: Workload, repeats: int, progress: Progress) -> dict[str, list[float]]:
    """Return seconds by service. Each is stopped in turn, and the supervisor starts it again."""
    with running(workload.gallery, local=True) as ours, httpx.Client(trust_env=False, timeout=1.0) as client:
        task = progress.add_task("restarting services", total=repeats * len(ours.addresses))
        found: dict[str, list[float]] = {name: [] for name in ours.addresses}
        for _ in range(repeats):
            for name, address in ours.addresses.items():
                found[name].append(_restarted(ours, name, address, client))
                progress.advance(task)
        progress.remove_task(task)
    return found


def _restarted(ours: MedreidSystem, name: str, address: str, client: httpx.Client) -> float:
    old = _process(ours, name)
    if old is None:
        raise RuntimeError(f"{name} does not run")
    old.terminate()
    old.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if is_ready(client, address):
            ready = time.time()
            new = _process(ours, name)
            if new is not None:
                return ready - new.create_time()
        time.sleep(POLL_S)
    raise RuntimeError(f"{name} is not ready again after {PATIENCE_S:.0f} s")


def _process(ours: MedreidSystem, name: str) -> psutil.Process | None:
    return next((process for known, process in ours.processes() if known == name), None)
