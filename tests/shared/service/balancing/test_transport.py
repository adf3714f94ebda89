"""Three replicas without a network: what each does is a function, and the resolver is a list."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest

from shared.service.balancing import BalancedTransport, replica, transport

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
    closed: int = 0

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("ct-service", 8000)
        if not self.resolver_works:
            raise OSError
        return [address for address in self.replicas if address not in self.unlisted]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        balanced = BalancedTransport(
            "http://ct-service:8000",
            partial(Line, self),
            lambda *state: self.states.append(state),
            self.resolve,
            {"x-medreid-service": "ct-service"},
        )
        async with httpx.AsyncClient(transport=balanced, base_url="http://ct-service:8000") as client:
            yield client

    def asked(self, path: str = "/v1/identify") -> Counter[str]:
        return Counter(request.url.host for request in self.calls if request.url.path == path)


@dataclass
class Line(httpx.AsyncBaseTransport):
    """To one of them; what arrives there has the address in place of the name."""

    cluster: Cluster
    address: str

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        there = copy(request)
        there.url = request.url.copy_with(host=self.address)
        self.cluster.calls.append(there)
        return await self.cluster.replicas.get(self.address, hanging)(there)

    async def aclose(self) -> None:
        self.cluster.closed += 1


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same behaviour in a fiftieth of the time."""
    for module in (replica, transport):
        for name in ("SUSPICION_S", "PULSE_S", "RECOVERY_S", "RESOLVE_S"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, getattr(module, name) / 50)


async def identify(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/v1/identify", content=b"npy", headers={"content-type": "application/x-npy"})


async def test_calls_one_after_another_go_round(cluster: Cluster) -> None:
    async with cluster.client() as client:
        for _ in range(9):
            assert (await identify(client)).status_code == 200
    assert set(cluster.asked().values()) == {3}


async def test_a_call_goes_to_whoever_is_least_busy(cluster: Cluster) -> None:
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


async def test_the_call_arrives_as_it_was_made(cluster: Cluster) -> None:
    async with cluster.client() as client:
        answer = await client.post("/v1/identify", params={"top_k": "3"}, content=b"npy", headers={"x-request-id": "r"})
    assert answer.text in NAMES
    (call,) = [call for call in cluster.calls if call.method == "POST"]
    assert (call.url.query, call.headers["host"], call.headers["x-request-id"]) == (b"top_k=3", "ct-service:8000", "r")
    assert await call.aread() == b"npy"


@pytest.mark.parametrize("failure", [refusing, hanging, draining])
async def test_a_call_that_fails_is_made_elsewhere_and_the_replica_left_alone(
    cluster: Cluster, failure: Behaviour
) -> None:
    cluster.replicas["10.0.0.2"] = failure
    async with cluster.client() as client:
        answers = [await identify(client) for _ in range(9)]
    assert all(answer.is_success for answer in answers)
    assert cluster.asked()["10.0.0.2"] == 1
    assert cluster.states[-1] == (2, 1)


async def test_many_calls_to_a_replica_that_hangs_all_have_an_answer(cluster: Cluster) -> None:
    cluster.replicas["10.0.0.2"] = hanging
    async with cluster.client() as client:
        assert all(a.is_success for a in await asyncio.gather(*(identify(client) for _ in range(30))))
    assert cluster.asked("/health/live") == {"10.0.0.2": 1}


async def test_a_replica_that_is_slow_but_alive_is_waited_for(cluster: Cluster) -> None:
    cluster.replicas = {"10.0.0.1": slow}
    async with cluster.client() as client:
        assert (await identify(client)).text == "10.0.0.1"
    assert cluster.asked("/health/live")["10.0.0.1"] >= 1
    assert cluster.states == [(1, 0)]


async def test_a_replica_that_is_ready_again_gets_calls_again(cluster: Cluster) -> None:
    cluster.replicas["10.0.0.2"] = hanging
    async with cluster.client() as client:
        await identify(client)
        await identify(client)
        await asyncio.sleep(0.05)
        cluster.replicas["10.0.0.2"] = well
        with until(cluster, (3, 0)) as recovered:
            await recovered()
        before = cluster.asked()["10.0.0.2"]
        for _ in range(3):
            await identify(client)
    assert cluster.asked()["10.0.0.2"] == before + 1


@contextmanager
def until(cluster: Cluster, state: tuple[int, int]) -> Iterator[Callable[[], Awaitable[None]]]:
    async def wait() -> None:
        async with asyncio.timeout(5):
            while cluster.states[-1] != state:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    yield wait


async def test_what_nobody_can_serve_is_the_callers_to_hear(cluster: Cluster) -> None:
    cluster.replicas = dict.fromkeys(NAMES, draining)
    async with cluster.client() as client:
        assert (await identify(client)).status_code == 503
    assert set(cluster.asked().values()) == {1}


async def test_no_call_is_made_more_than_three_times(cluster: Cluster) -> None:
    cluster.replicas = {f"10.0.0.{i}": refusing for i in range(9)}
    async with cluster.client() as client:
        with pytest.raises(httpx.ConnectError):
            await identify(client)
    assert cluster.asked().total() == 3


async def test_a_call_survives_two_dead_replicas(cluster: Cluster) -> None:
    cluster.replicas = {"10.0.0.1": refusing, "10.0.0.2": refusing, "10.0.0.3": well}
    async with cluster.client() as client:
        assert (await identify(client)).is_success


async def test_a_name_without_an_address_is_a_failed_connection(cluster: Cluster) -> None:
    cluster.resolver_works = False
    async with cluster.client() as client:
        with pytest.raises(httpx.ConnectError, match="no address"):
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
    assert cluster.closed >= 2


async def test_a_removed_replica_finishes_what_it_was_asked(cluster: Cluster) -> None:
    cluster.replicas = {"10.0.0.1": slow}
    async with cluster.client() as client:
        call = asyncio.create_task(identify(client))
        await asyncio.sleep(0.05)
        cluster.replicas["10.0.0.2"] = well
        cluster.unlisted.add("10.0.0.1")
        await identify(client)
        assert (await call).text == "10.0.0.1"


async def test_where_all_known_replicas_fail_the_name_is_looked_up_at_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "RESOLVE_S", 1000)
    cluster.replicas = {"10.0.0.1": well}
    async with cluster.client() as client:
        await identify(client)
        cluster.replicas = {"10.0.0.2": well}
        assert (await identify(client)).text == "10.0.0.2"


async def test_a_resolver_that_fails_forgets_nobody(cluster: Cluster) -> None:
    async with cluster.client() as client:
        await identify(client)
        cluster.resolver_works = False
        await asyncio.sleep(0.05)
        for _ in range(3):
            assert (await identify(client)).is_success
    assert len(cluster.asked()) == 3


async def test_a_caller_that_gives_up_leaves_nothing_under_way(cluster: Cluster) -> None:
    cluster.replicas = {"10.0.0.1": slow}
    async with cluster.client() as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await identify(client)
        assert (await identify(client)).is_success


async def test_probes_say_whom_they_are_meant_for(cluster: Cluster) -> None:
    cluster.replicas["10.0.0.1"] = refusing
    async with cluster.client() as client:
        await identify(client)
        await asyncio.sleep(0.02)
    probes = [call for call in cluster.calls if call.url.path == "/health/ready"]
    assert probes
    assert {call.headers["x-medreid-service"] for call in probes} == {"ct-service"}


async def test_a_resolver_that_hangs_is_not_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(cluster, "resolve", resolve)
    async with cluster.client() as client:
        with pytest.raises(httpx.ConnectError, match="no address"):
            await identify(client)
