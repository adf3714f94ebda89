"""Wait until the processes of a system answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import httpx
from rich.console import Console

from deploy.local.progress import Steps
from deploy.local.supervision import SupervisionError, Supervisor

PATIENCE_S = 120.0
POLL_S = 0.1


def wait_until(ready: Callable[[], bool], what: str, supervisor: Supervisor) -> None:
    """Poll `ready`; SupervisionError if a program is given up or PATIENCE_S has passed."""
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        states = supervisor.states()
        if failed := [state.name for state in states if state.given_up]:
            raise SupervisionError(f"{', '.join(failed)} ended at every start. See the logs (.run/logs).")
        if not states:
            raise SupervisionError("The supervisor has ended. See the logs (.run/logs).")
        if time.monotonic() > deadline:
            raise SupervisionError(f"Still waiting for {what} after {PATIENCE_S:.0f} s. See the logs (.run/logs).")
        time.sleep(POLL_S)


def wait_for_services(addresses: Mapping[str, str], supervisor: Supervisor, console: Console) -> None:
    """Wait until every service answers `/health/ready` with success, and show how many do."""
    waiting = dict(addresses)
    with Steps(console, len(waiting)) as steps:
        steps.begin("starting the services")

        def all_ready() -> bool:
            for name in ready_services(waiting):
                del waiting[name]
                steps.advance()
            return not waiting

        wait_until(all_ready, f"the services ({', '.join(waiting)})", supervisor)


def ready_services(addresses: Mapping[str, str]) -> set[str]:
    """Return the names of the services that would serve at this moment."""
    with httpx.Client(timeout=1.0, trust_env=False) as client:
        return {name for name, address in addresses.items() if is_ready(client, address)}


def is_ready(client: httpx.Client, address: str) -> bool:
    """Return whether a service says that it would serve."""
    try:
        return client.get(f"{address}/health/ready").is_success
    except httpx.TransportError:
        return False
