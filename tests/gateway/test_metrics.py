"""What the gateway counts, for those who watch it."""

from __future__ import annotations

import pytest

from gateway.services import Services
from gateway.settings import GatewaySettings
from shared.errors import ServiceUnavailable
from shared.modalities import load_registry
from shared.service.metrics import Metrics
from tests.gateway.conftest import System
from tests.gateway.pictures import png


async def test_decisions_and_confidences_are_counted_by_modality_and_name_nobody(system: System) -> None:
    await system.enrol("P-Lovelace", png(1), modality="ct")
    answer = (await system.identify(png(1), modality="ct")).json()
    await system.identify(png(2), modality="mri")
    text = (await system.get("/metrics")).text
    assert f'medreid_decisions_total{{decision="{answer["decision"]}",modality="ct"}} 1.0' in text
    assert 'medreid_confidence_count{modality="ct"} 1.0' in text
    assert 'medreid_confidence_count{modality="mri"} 1.0' in text
    assert f'medreid_confidence_sum{{modality="ct"}} {answer["confidence"]}' in text
    assert "Lovelace" not in text  # letters: digits may stand in a time by chance


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
async def test_a_replica_that_refuses_connections_is_counted_as_resting() -> None:
    metrics = Metrics()
    services = Services(
        GatewaySettings(compa_url="http://127.0.0.1:9"), load_registry(), metrics
    )  # nobody listens there
    with pytest.raises(ServiceUnavailable):
        await services.compa.ready()
    await services.close()
    assert 'medreid_replicas{state="resting",upstream="compa"} 1.0' in metrics.render().decode()
    assert 'medreid_replicas{state="used",upstream="compa"} 0.0' in metrics.render().decode()
