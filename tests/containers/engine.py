"""The Docker engine, through its command line."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from deploy.local.state_folder import REPOSITORY

PATIENCE_S = 180.0


class CheckFailed(Exception):
    """A check does not hold; the message says what was seen instead."""


@dataclass(frozen=True)
class Engine:
    """Runs `docker` with an environment of its own, and prints what was checked."""

    environment: Mapping[str, str]
    console: Console

    def docker(self, *arguments: str, stdin: str | None = None) -> str:
        """Return the output of `docker ARGUMENTS`; CheckFailed if it fails."""
        done = self.attempt(*arguments, stdin=stdin)
        if done.returncode:
            raise CheckFailed(f"docker {' '.join(arguments[:4])}: {(done.stderr or done.stdout)[-2000:]}")
        return done.stdout.strip()

    def attempt(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `docker ARGUMENTS`, whether or not it succeeds."""
        command, environment = ["docker", *arguments], {**self.environment}
        return subprocess.run(  # noqa: S603
            command, cwd=REPOSITORY, env=environment, input=stdin, capture_output=True, text=True, check=False
        )

    def lines(self, *arguments: str) -> list[str]:
        """Return the lines of `docker ARGUMENTS` that are not empty."""
        return [line for line in self.docker(*arguments).splitlines() if line]

    def inspect(self, *names: str) -> list[dict[str, Any]]:
        """Return the engine's descriptions of containers, images or services."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", *names))
        return found

    def python(self, container: str, program: str, *arguments: str) -> str:
        """Return the output of a Python program inside a container."""
        return self.docker("exec", container, "python", "-c", program, *arguments)

    def passed(self, what: str, seen: str) -> None:
        """Print one check that holds."""
        self.console.print(f"[green]✓[/green] {what}: {seen}", highlight=False, soft_wrap=True)


def eventually(what: str, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    """Wait until it holds and return the seconds that it took; CheckFailed after `patience_s`."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > patience_s:
            raise CheckFailed(f"{what}: not within {patience_s:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - begun


def expect(what: str, seen: object, *, holds: bool) -> None:
    """Raise CheckFailed unless it holds."""
    if not holds:
        raise CheckFailed(f"{what}: {seen}")
