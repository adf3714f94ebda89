"""`python -m tests.containers`: build the images, test them under Compose, then under Swarm, and clean up."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import closing

from rich.console import Console

from deploy.local.programs import free_port
from deploy.local.state_folder import REPOSITORY
from tests.containers.compose_system import TAG, ComposeSystem
from tests.containers.engine import CheckFailed, Engine, expect
from tests.containers.image_checks import check_images
from tests.containers.swarm_stack import SwarmStack


def main() -> int:
    """Return 0 if every check holds; otherwise print the one that does not and return 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.containers", description=__doc__)
    parser.add_argument("--port", type=int, default=free_port(), help="port of the gateway (default: a free one)")
    port, console, begun = parser.parse_args().port, Console(), time.monotonic()
    variables = {"COMPOSE_PROJECT_NAME": "medreid-test", "PORT": str(port), "VERSION": TAG}
    try:
        check(Engine({**os.environ, **variables}, console), f"http://127.0.0.1:{port}")
    except CheckFailed as failure:
        console.print("✗", str(failure), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    console.print(f"Every check holds, after {time.monotonic() - begun:.0f} s.", highlight=False)
    return 0


def check(engine: Engine, url: str) -> None:
    """Check the Compose project first, then a stack of the same images."""
    system = ComposeSystem(engine, url)
    with closing(system):
        system.build()
        check_images(engine, system.services(), TAG)
        system.up()
        system.check_hardening()
        identify_samples(url, system.key)
        system.check_restore()
        system.check_spread()
        system.check_pause()
        system.check_kill()
        system.stop()
        stack = SwarmStack(engine, url)
        with closing(stack):
            stack.up()
            stack.check_rolling_update()
            stack.check_rollback()
    expect("left behind", system.left_over(), holds=not system.left_over())


def identify_samples(url: str, key: str) -> None:
    """Run the demonstration through the published port; it prints its own table."""
    command = [sys.executable, "-m", "deploy.local", "demo", "--url", url]
    done = subprocess.run(command, cwd=REPOSITORY, env={**os.environ, "MEDREID_KEY": key}, check=False)  # noqa: S603
    expect("the demonstration's identifications", f"exit status {done.returncode}", holds=done.returncode == 0)


if __name__ == "__main__":
    sys.exit(main())
