"""What the images are made of."""

from __future__ import annotations

from tests.containers.engine import Engine, expect

LIMIT_MB = 400
CODE_MB, MODEL_MB = 2, 40
"""Only these layers travel when the code, or a model, changes."""


def check_images(engine: Engine, services: list[str], tag: str) -> dict[str, float]:
    """Sizes in megabytes by service; Failed where one is too large, or its last layers are not code and model."""
    sizes = {}
    for service in services:
        image = f"medreid/{service}:{tag}"
        (found,) = engine.inspect(image)
        sizes[service] = found["Size"] / 1e6
        expect(f"{image} is larger than {LIMIT_MB} MB", sizes[service], holds=sizes[service] <= LIMIT_MB)
        _check_labels(image, found["Config"]["Labels"] or {})
        if service != "migrate":
            _check_layers(engine, image, service)
    return sizes


def _check_labels(image: str, labels: dict[str, str]) -> None:
    missing = {"title", "description", "version"} - {name.removeprefix("org.opencontainers.image.") for name in labels}
    expect(f"{image} lacks labels", missing, holds=not missing)


def _check_layers(engine: Engine, image: str, service: str) -> None:
    """The newest layers come first in `docker history`."""
    history = engine.docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image)
    layers = [(int(size) / 1e6, by) for size, _, by in (line.partition(" ") for line in history.splitlines())]
    last, before = [layer for layer in layers if layer[0] > 0][:2]
    limit = CODE_MB if service == "gateway" else MODEL_MB
    expect(f"the last layer of {image}", last, holds=f"COPY {service}/" in last[1] and last[0] <= limit)
    expect(f"the layer before the last of {image}", before, holds="COPY shared/" in before[1] and before[0] <= CODE_MB)
