"""From which confidence `POST /v1/verify` says that it is the patient of the chart."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path

from tests.gateway.conftest import Start, System
from tests.gateway.pictures import png


async def test_a_confidence_at_the_threshold_is_a_match(system: System) -> None:
    await system.enrol("P-1", png(1), modality="fundus")

    async def verified(threshold: float) -> dict[str, object]:
        answer = await system.verify(png(2), modality="fundus", patient_id="P-1", threshold=repr(threshold))
        return dict(answer.json())

    confidence = (await verified(0.5))["confidence"]
    assert isinstance(confidence, float)
    assert (await verified(confidence))["match"] is True
    assert (await verified(math.nextafter(confidence, 1.0)))["match"] is False


async def test_verification_has_a_threshold_of_its_own(start: Start, tmp_path: Path) -> None:
    registry = resources.files("shared.modalities").joinpath("registry.toml").read_text()
    path = tmp_path / "registry.toml"
    path.write_text(registry.replace("verify_threshold = 0.75", "verify_threshold = 0.6"))
    system = await start(registry=path)
    await system.enrol("P-1", png(1), modality="ct")
    assert (await system.verify(png(1), modality="ct", patient_id="P-1")).json()["threshold"] == 0.6
    assert (await system.identify(png(1), modality="ct")).json()["threshold"] == 0.75
