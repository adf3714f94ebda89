"""Sizes of the container images, on a machine with a Docker engine."""

from __future__ import annotations

import os
import subprocess

from shared.modalities import load_registry

TAG = "bench"


def measure() -> dict[str, float]:
    """Build the image of every modality service and return the sizes in MB; CalledProcessError without an engine."""
    names = [f"{modality}-service" for modality in load_registry().names]
    _docker("compose", "build", *names)
    return {
        name: int(_docker("image", "inspect", "--format", "{{.Size}}", f"medreid/{name}:{TAG}")) / 1e6 for name in names
    }


def _docker(*arguments: str) -> str:
    command = ["docker", *arguments]
    environment = {**os.environ, "VERSION": TAG}
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603
