"""Waiting until everything answers, with a line on the screen for what is still missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.supervision import ProgramState, SupervisionError, Supervisor

PATIENCE_S = 120.0
POLL_S = 0.1


def wait_until(ready: Callable[[], bool], what: str, supervisor: Supervisor, patience_s: float = PATIENCE_S) -> None:
    """Poll `ready`; SupervisionError where a program fails for good or patience ends first."""
    deadline = time.monotonic() + patience_s
    while not ready():
        _check(supervisor.states())
        if time.monotonic() > deadline:
            raise SupervisionError(f"Still waiting for {what} after {patience_s:.0f} s. See the logs.")
        time.sleep(POLL_S)


def wait_for_services(addresses: Mapping[str, str], supervisor: Supervisor, console: Console) -> None:
    """Wait for `/health/ready` of every service, showing how many are there."""
    waiting = dict(addresses)
    quiet = not console.is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with (
        httpx.Client(timeout=1.0, trust_env=False) as client,
        Progress(*columns, TimeElapsedColumn(), console=console, transient=True, disable=quiet) as progress,
    ):
        task = progress.add_task("starting", total=len(waiting))

        def all_ready() -> bool:
            for name, address in addresses.items():
                if name in waiting and is_ready(client, address):
                    del waiting[name]
                    progress.advance(task)
            progress.update(task, description=f"waiting for {', '.join(waiting)}")
            return not waiting

        wait_until(all_ready, "the services", supervisor)


def those_ready(addresses: Mapping[str, str]) -> set[str]:
    """The names of the services that would serve at this moment."""
    with httpx.Client(timeout=1.0, trust_env=False) as client:
        return {name for name, address in addresses.items() if is_ready(client, address)}


def is_ready(client: httpx.Client, address: str) -> bool:
    """Whether a service says that it would serve."""
    try:
        return client.get(f"{address}/health/ready").is_success
    except httpx.TransportError:
        return False


def _check(states: Sequence[ProgramState]) -> None:
    failed = [state.name for state in states if state.given_up]
    if failed:
        raise SupervisionError(f"{', '.join(failed)} died at every start. See the logs.")
    if not states:
        raise SupervisionError("The supervisor is gone. See the logs.")
