import asyncio

from fastapi import APIRouter

from shared.service.metrics import Metrics
from tests.shared.service.running import Start

router = APIRouter()


@router.get("/v1/patients/{patient_id}")
async def patient(patient_id: str) -> str:
    return patient_id


async def test_requests_are_counted_by_method_route_and_status(start: Start) -> None:
    service = await start(router)
    for name in ("P-1", "P-2"):
        await service.client.get(f"/v1/patients/{name}")
    await service.client.get("/nowhere/P-3")
    text = (await service.client.get("/metrics")).text
    assert 'medreid_requests_total{method="GET",route="/v1/patients/{patient_id}",status="200"} 2.0' in text
    assert 'medreid_requests_total{method="GET",route="(no route)",status="404"} 1.0' in text
    assert 'medreid_request_seconds_count{method="GET",route="/v1/patients/{patient_id}"} 2.0' in text
    assert "P-" not in text


async def test_metrics_have_the_type_that_prometheus_expects(start: Start) -> None:
    answer = await (await start(router)).client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


async def test_two_services_of_one_process_count_apart(start: Start) -> None:
    first, second = await start(router), await start(router)
    await first.client.get("/v1/patients/P-1")
    assert "/v1/patients" in (await first.client.get("/metrics")).text
    assert "/v1/patients" not in (await second.client.get("/metrics")).text


async def test_requests_in_flight_are_counted_while_they_are(start: Start) -> None:
    slow = APIRouter()
    gate, begun = asyncio.Event(), asyncio.Event()

    @slow.get("/slow")
    async def wait() -> None:
        begun.set()
        await gate.wait()

    service = await start(slow)
    request = asyncio.create_task(service.client.get("/slow"))
    await begun.wait()
    assert in_flight(service.frame.metrics) == 1
    gate.set()
    await request
    assert in_flight(service.frame.metrics) == 0


def in_flight(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("medreid_requests_in_flight")
