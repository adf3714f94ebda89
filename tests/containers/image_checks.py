"""Size, labels and layers of the images."""

from __future__ import annotations

from collections.abc import Sequence

from tests.containers.engine import Engine, expect

LIMIT_MB = 400
CODE_MB, MODEL_MB = 2, 40
"""Limits of the last layers. Only they travel if the code or a model changes."""


def check_images(engine: Engine, services: Sequence[str], tag: str) -> None:
    """Check the image of every service."""
    sizes = []
    for service in services:
        image = f"medreid/{service}:{tag}"
        (found,) = engine.inspect(image)
        size = found["Size"] / 1e6
        expect(f"{image} is larger than {LIMIT_MB} MB", size, holds=size <= LIMIT_MB)
        labels = {name.removeprefix("org.opencontainers.image.") for name in found["Config"]["Labels"] or {}}
        expect(f"{image} lacks labels", labels, holds=labels >= {"title", "description", "version"})
        if service != "migrate":
            _check_layers(engine, image, service)
        sizes.append(f"{service} {size:.0f}")
    engine.passed("sizes in MB", ", ".join(sizes))


def _check_layers(engine: Engine, image: str, service: str) -> None:
    """Check that the last layers are the code and the model; `docker history` lists the newest first."""
    history = engine.lines("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image)
    layers = [(int(size) / 1e6, by) for size, _, by in (line.partition(" ") for line in history)]
    last, before = [layer for layer in layers if layer[0] > 0][:2]
    limit = CODE_MB if service == "gateway" else MODEL_MB
    expect(f"the last layer of {image}", last, holds=f"COPY {service}/" in last[1] and last[0] <= limit)
    expect(f"the layer before the last of {image}", before, holds="COPY shared/" in before[1] and before[0] <= CODE_MB)
