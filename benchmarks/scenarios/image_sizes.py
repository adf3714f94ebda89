"""Sizes of the container images, where there is a Docker engine that builds them."""

from __future__ import annotations

import os

from deploy.containers.engine import Engine
from shared.modalities import load_registry

TAG = "bench"


def measure() -> dict[str, float]:
    """Megabytes by modality service; `deploy.containers.engine.Failed` where there is no engine."""
    engine = Engine({**os.environ, "VERSION": TAG})
    names = [f"{modality}-service" for modality in load_registry().names]
    engine.docker("compose", "build", *names)
    return {name: engine.inspect(f"medreid/{name}:{TAG}")[0]["Size"] / 1e6 for name in names}
