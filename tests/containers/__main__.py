"""`python -m tests.containers`: build, run, restore, scale, freeze, kill, roll out, roll back; leave nothing."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from deploy.local.programs import free_port
from tests.containers.composed import Composed
from tests.containers.engine import REPOSITORY, Engine, Failed, expect
from tests.containers.stacked import Stacked

TAG = "test"


class System(Protocol):
    """What can be taken down."""

    def down(self) -> None:
        """Leave nothing."""


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 where all of it holds; 1 with what does not."""
    parser = argparse.ArgumentParser(prog="python -m tests.containers", description=__doc__)
    parser.add_argument("--port", type=int, default=free_port(), help="where the gateway is published (a free port)")
    options = parser.parse_args(arguments)
    console, begun = Console(), time.monotonic()
    try:
        run(options.port, console)
    except Failed as failure:
        console.print(f"[red]✗[/red] {escape(str(failure))}", highlight=False, soft_wrap=True)
        return 1
    console.print(f"All of it holds, in {time.monotonic() - begun:.0f} s.", highlight=False)
    return 0


def run(port: int, console: Console) -> None:
    """The Compose project first, then the stack of the same images."""
    name, url = "medreid-test", f"http://127.0.0.1:{port}"
    engine = Engine({**os.environ, "COMPOSE_PROJECT_NAME": name, "PORT": str(port), "VERSION": TAG})
    composed = Composed(engine, url, TAG, console)
    with taken_down(composed):
        composed.build()
        composed.up()
        composed.check_hardening()
        identify_samples(url, composed.key)
        composed.check_restore()
        composed.check_spread()
        composed.check_pause()
        composed.check_kill()
        composed.stop()
        stacked = Stacked(engine, f"{name}-stack", url, TAG, console)
        with taken_down(stacked):
            stacked.up()
            stacked.check_rolling_update()
            stacked.check_rollback()
    expect("left behind", composed.left_over(), holds=not composed.left_over())


@contextmanager
def taken_down(system: System) -> Iterator[None]:
    """Take it down at the end, whatever happens."""
    try:
        yield
    finally:
        system.down()


def identify_samples(url: str, key: str) -> None:
    """The demonstration, through the published port; it prints its own table."""
    command = [sys.executable, "-m", "deploy.local", "demo", "--url", url]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "MEDREID_KEY": key}, check=False)  # noqa: S603
    expect("the demonstration's identifications", f"exit status {done.returncode}", holds=done.returncode == 0)


if __name__ == "__main__":
    sys.exit(main())
