"""The Docker engine, through its command line."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0


class Failed(Exception):
    """What was to be shown does not hold; says what was seen instead."""


@dataclass(frozen=True)
class Engine:
    """Commands with an environment of their own."""

    environment: Mapping[str, str]

    def docker(self, *arguments: str, stdin: str | None = None) -> str:
        """The output of `docker ARGUMENTS`; Failed where it fails."""
        done = self.attempt(*arguments, stdin=stdin)
        if done.returncode:
            raise Failed(f"docker {' '.join(arguments[:4])}: {(done.stderr or done.stdout)[-2000:]}")
        return done.stdout.strip()

    def attempt(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """The same, whatever becomes of it."""
        command = ["docker", *arguments]
        return subprocess.run(  # noqa: S603
            command,
            cwd=REPOSITORY,
            env={**self.environment},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def inspect(self, *names: str) -> list[dict[str, Any]]:
        """What the engine knows of containers, images or services."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", *names))
        return found

    def python(self, container: str, program: str, *arguments: str) -> str:
        """The output of a program inside a container of ours."""
        return self.docker("exec", container, "python", "-c", program, *arguments)


def eventually(what: str, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
    """Wait until it holds; how long that took, in seconds. Failed where it does not come to pass."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > patience_s:
            raise Failed(f"{what}: not within {patience_s:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - begun


def expect(what: str, seen: object, *, holds: bool) -> None:
    """Failed unless it holds."""
    if not holds:
        raise Failed(f"{what}: {seen}")


def lines(text: str) -> Sequence[str]:
    """The lines that are not empty."""
    return [line for line in text.splitlines() if line]
