"""Three replicas without a network: what each does is a function, and the resolver is a list."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from shared.errors import ServiceUnavailable
from shared.service import replicas, service_client
from shared.service.service_client import ServiceClient

Behaviour = Callable[[httpx.Request], Awaitable[httpx.Response]]
NAMES = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


async def well(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text=request.url.host)


async def hanging(_request: httpx.Request) -> httpx.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def refusing(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def draining(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


async def slow(request: httpx.Request) -> httpx.Response:
    if not request.url.path.startswith("/health/"):
        await asyncio.sleep(0.1)
    return httpx.Response(200, text=request.url.host)


@dataclass
class Cluster:
    """What stands behind the name at the moment."""

    replicas: dict[str, Behaviour] = field(default_factory=lambda: dict.fromkeys(NAMES, well))
    unlisted: set[str] = field(default_factory=set)
    calls: list[httpx.Request] = field(default_factory=list)
    states: list[tuple[int, int]] = field(default_factory=list)
    resolver_works: bool = True

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("ct-service", 8000)
        if not self.resolver_works:
            raise OSError
        return [address for address in self.replicas if address not in self.unlisted]

    async def receive(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        return await self.replicas.get(request.url.host, hanging)(request)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ServiceClient]:
        client = ServiceClient(
            "http://ct-service:8000",
            httpx.MockTransport(self.receive),
            service="ct-service",
            observe=lambda *state: self.states.append(state),
            resolve=self.resolve,
        )
        yield client
        await client.close()

    def asked(self, path: str = "/v1/identify") -> Counter[str]:
        return Counter(request.url.host for request in self.calls if request.url.path == path)

    async def until(self, used: int, resting: int) -> None:
        async with asyncio.timeout(5):
            while self.states[-1] != (used, resting):  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same behaviour in a fiftieth of the time."""
    for module in (replicas, service_client):
        for name in ("SUSPICION_S", "HEALTH_S", "RECOVERY_S", "RESOLVE_S"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, getattr(module, name) / 50)


async def identify(client: ServiceClient) -> str:
    """The address that has answered."""
    return (await client.post_npy("/v1/identify", b"npy")).text


async def test_calls_one_after_another_go_round(cluster: Cluster) -> None:
    async with cluster.client() as client:
        for _ in range(9):
            await identify(client)
    assert cluster.asked() == dict.fromkeys(NAMES, 3)


async def test_a_call_goes_to_the_least_busy_replica(cluster: Cluster) -> None:
    release = asyncio.Event()

    async def busy(request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith("/health/"):
            await release.wait()
        return await well(request)

    cluster.replicas["10.0.0.1"] = busy
    async with cluster.client() as client:
        first = asyncio.create_task(identify(client))
        await asyncio.sleep(0.02)
        for _ in range(6):
            await identify(client)
        release.set()
        await first
    assert cluster.asked() == {"10.0.0.1": 1, "10.0.0.2": 3, "10.0.0.3": 3}


async def test_a_call_names_the_service_and_not_the_address(cluster: Cluster) -> None:
    async with cluster.client() as client:
        await client.post_npy("/v1/identify", b"npy", {"top_k": "3"})
    (call,) = cluster.calls
    assert (call.url.query, call.headers["host"], call.content) == (b"top_k=3", "ct-service:8000", b"npy")
    assert (call.headers["x-medreid-service"], call.extensions["sni_hostname"]) == ("ct-service", "ct-service")


@pytest.mark.parametrize("failure", [refusing, hanging, draining])
async def test_a_failed_call_is_repeated_on_another_replica(cluster: Cluster, failure: Behaviour) -> None:
    cluster.replicas["10.0.0.2"] = failure
    async with cluster.client() as client:
        for _ in range(9):
            assert await identify(client) != "10.0.0.2"
    assert cluster.asked()["10.0.0.2"] == 1
    assert cluster.states[-1] == (2, 1)


async def test_many_calls_to_a_hanging_replica_are_all_answered(cluster: Cluster) -> None:
    cluster.replicas["10.0.0.2"] = hanging
    async with cluster.client() as client:
        answers = await asyncio.gather(*(identify(client) for _ in range(30)))
    assert set(answers) == {"10.0.0.1", "10.0.0.3"}


async def test_a_replica_that_is_slow_but_alive_is_waited_for(cluster: Cluster) -> None:
    cluster.replicas = {"10.0.0.1": slow}
    async with cluster.client() as client:
        assert await identify(client) == "10.0.0.1"
    assert cluster.asked("/health/live")["10.0.0.1"] >= 1
    assert cluster.states == [(1, 0)]


async def test_a_replica_that_is_ready_again_gets_calls_again(cluster: Cluster) -> None:
    cluster.replicas["10.0.0.2"] = hanging
    async with cluster.client() as client:
        await identify(client)
        await identify(client)
        await asyncio.sleep(0.05)
        cluster.replicas["10.0.0.2"] = well
        await cluster.until(3, 0)
        before = cluster.asked()["10.0.0.2"]
        for _ in range(3):
            await identify(client)
    assert cluster.asked()["10.0.0.2"] == before + 1
    assert {call.headers["x-medreid-service"] for call in cluster.calls} == {"ct-service"}


async def test_if_no_replica_can_serve_the_caller_is_told(cluster: Cluster) -> None:
    cluster.replicas = dict.fromkeys(NAMES, draining)
    async with cluster.client() as client:
        with pytest.raises(ServiceUnavailable):
            await identify(client)
    assert cluster.asked() == dict.fromkeys(NAMES, 1)


async def test_no_call_is_made_more_than_three_times(cluster: Cluster) -> None:
    cluster.replicas = {f"10.0.0.{i}": refusing for i in range(9)}
    async with cluster.client() as client:
        with pytest.raises(ServiceUnavailable):
            await identify(client)
    assert cluster.asked().total() == 3


async def test_a_name_without_an_address_is_unavailable(cluster: Cluster) -> None:
    cluster.resolver_works = False
    async with cluster.client() as client:
        with pytest.raises(ServiceUnavailable):
            await identify(client)


async def test_a_new_replica_gets_calls_and_a_removed_one_none(cluster: Cluster) -> None:
    async with cluster.client() as client:
        await identify(client)
        del cluster.replicas["10.0.0.1"]
        cluster.replicas["10.0.0.4"] = well
        await asyncio.sleep(0.05)
        await identify(client)
        await asyncio.sleep(0.01)
        cluster.calls.clear()
        for _ in range(9):
            await identify(client)
    assert set(cluster.asked()) == {"10.0.0.2", "10.0.0.3", "10.0.0.4"}


async def test_a_removed_replica_finishes_its_calls(cluster: Cluster) -> None:
    cluster.replicas = {"10.0.0.1": slow}
    async with cluster.client() as client:
        call = asyncio.create_task(identify(client))
        await asyncio.sleep(0.05)
        cluster.replicas["10.0.0.2"] = well
        cluster.unlisted.add("10.0.0.1")
        await identify(client)
        assert await call == "10.0.0.1"


async def test_if_all_replicas_fail_the_name_is_resolved_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "RESOLVE_S", 1000)
    cluster.replicas = {"10.0.0.1": well}
    async with cluster.client() as client:
        await identify(client)
        cluster.replicas = {"10.0.0.2": well}
        assert await identify(client) == "10.0.0.2"


async def test_a_resolver_that_fails_changes_nothing(cluster: Cluster) -> None:
    async with cluster.client() as client:
        await identify(client)
        cluster.resolver_works = False
        await asyncio.sleep(0.05)
        for _ in range(3):
            await identify(client)
    assert len(cluster.asked()) == 3


async def test_a_resolver_that_hangs_is_not_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(cluster, "resolve", resolve)
    async with cluster.client() as client:
        with pytest.raises(ServiceUnavailable):
            await identify(client)


async def test_a_caller_that_gives_up_leaves_nothing_behind(cluster: Cluster) -> None:
    cluster.replicas = {"10.0.0.1": slow}
    async with cluster.client() as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await identify(client)
        assert await identify(client) == "10.0.0.1"
