"""The system under Compose: hardening, backup and restore, replicas under load."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from tests.containers.engine import CheckFailed, Engine, eventually, expect
from tests.containers.hardening import check_container, check_reader
from tests.containers.steady_load import SteadyLoad

TAG = "test"
SHARE = 0.20
"""Least share of the calls that each of three replicas must get."""
FROM_SCRATCH = ("gateway", "migrate", "ct-service")
"""One service of each target; the other services differ by their data only."""
SERVED = 'medreid_requests_total{method="POST",route="/v1/identify",status="200"}'
METRICS = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/metrics').read().decode())"
CREATE_KEY = ("python", "-m", "gateway.auth", "create", "--name", "test", "--all-scopes")


class ComposeSystem:
    """A Compose project."""

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine, self._url, self.key = engine, url, ""

    def compose(self, *arguments: str) -> list[str]:
        """Return the lines of `docker compose ARGUMENTS`."""
        return self._engine.lines("compose", *arguments)

    def services(self) -> list[str]:
        """Return the services whose images are built here."""
        return [service for service in self.compose("config", "--services") if service != "db"]

    def build(self) -> None:
        """Build all images, one of each target from scratch."""
        self.compose("build", "--no-cache", *FROM_SCRATCH)
        self.compose("build")

    def up(self) -> None:
        """Start everything, wait until all containers are healthy, and create a key with every scope."""
        begun = time.monotonic()
        # the migration ends, which some versions of Compose take for a failure
        self._engine.attempt("compose", "up", "--detach", "--wait", "--wait-timeout", "180")
        for container in self._engine.inspect(*self._containers("--all")):
            state = container["State"]
            log = self._engine.attempt("logs", "--tail", "15", container["Id"])
            healthy = state["ExitCode"] == 0 and state.get("Health", {}).get("Status", "healthy") == "healthy"
            expect(f"{container['Name']} is not healthy", log.stdout + log.stderr, holds=healthy)
        self._engine.passed("all healthy after", f"{time.monotonic() - begun:.0f} s")
        (self.key,) = self.compose("exec", "-T", "gateway", *CREATE_KEY)

    def check_hardening(self) -> None:
        """Check every running container of ours."""
        services = [service for service in self.services() if service != "migrate"]
        networks = self._engine.inspect(*self._containers("gateway"))[0]["NetworkSettings"]["Networks"]
        outside = next(network["IPAddress"] for name, network in networks.items() if name.endswith("_public"))
        for service in services:
            (container,) = self._containers(service)
            check_container(self._engine, container, outside, public=service == "gateway")
            if service not in {"gateway", "compa-service"}:
                check_reader(self._engine, container)
        self._engine.passed("hardened", ", ".join(services))

    def check_restore(self) -> None:
        """Dump the database, erase a patient, restore: the gallery must be what it was. See docs/how-to/backup.md."""
        before = self._enrolled()
        self._database("pg_dump", "--format", "custom", "--file", "/tmp/medreid.dump", "medreid")  # noqa: S108
        self._request("DELETE", "/v1/patients/DEMO-ct-01")
        expect("an erasure changed nothing", before, holds=self._enrolled() != before)
        self.compose("stop", "gateway")
        self._database("dropdb", "--force", "medreid")
        self._database("createdb", "medreid")
        self._database("pg_restore", "--dbname", "medreid", "/tmp/medreid.dump")  # noqa: S108
        self._engine.attempt("compose", "up", "--detach", "--no-recreate", "--wait")
        after = self._enrolled()
        expect("the gallery after the restore", f"{after} instead of {before}", holds=after == before)
        self._engine.passed("dumped, erased, restored", f"images by modality: {before}")

    def check_spread(self) -> None:
        """Check that three replicas share the calls of kept-alive connections."""
        self.compose("up", "--detach", "--no-recreate", "--wait", "--scale", "ct-service=3", "ct-service")
        replicas = self._containers("ct-service")
        expect("three replicas", replicas, holds=len(replicas) == 3)
        with SteadyLoad(self._url, self.key) as load:
            time.sleep(4)
            before = [self._served(replica) for replica in replicas]
            time.sleep(8)
            counts = [self._served(replica) - was for replica, was in zip(replicas, before, strict=True)]
        shares = [count / max(1, sum(counts)) for count in counts]
        expect(f"a replica got less than {SHARE:.0%}", counts, holds=min(shares) >= SHARE and not load.failures())
        self._engine.passed("calls spread over three replicas", ", ".join(f"{share:.0%}" for share in shares))

    def check_pause(self) -> None:
        """Check that a frozen replica costs no call after the first second, and is used again when it thaws."""
        victim = self._containers("ct-service")[0]
        self._under_load("paused", lambda: self._engine.docker("pause", victim))
        self._engine.docker("unpause", victim)
        with SteadyLoad(self._url, self.key) as load:
            was = self._served(victim)
            eventually("the thawed replica is used again", lambda: self._served(victim) > was, 30)
        expect("calls failed after the thaw", load.failures(), holds=not load.failures())

    def check_kill(self) -> None:
        """Check that a killed replica costs no call after the first second."""
        victim = self._containers("ct-service")[1]
        self._under_load("killed", lambda: self._engine.docker("kill", victim))

    def stop(self) -> None:
        """Remove containers, networks and volumes; keep the images."""
        self._engine.attempt("compose", "down", "--volumes", "--remove-orphans", "--timeout", "20")

    def close(self) -> None:
        """Remove everything."""
        self.stop()
        self._engine.attempt("image", "rm", *(f"medreid/{name}:{TAG}" for name in self.services()))

    def left_over(self) -> list[str]:
        """Return the containers, networks, volumes and images that still exist."""
        label = f"label=com.docker.compose.project={self._engine.environment['COMPOSE_PROJECT_NAME']}"
        kinds = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
        found = [name for kind in kinds for name in self._engine.lines(*kind, "--quiet", "--filter", label)]
        return found + self._engine.lines("image", "ls", "--quiet", f"medreid/*:{TAG}")

    def _under_load(self, what: str, strike: Callable[[], object]) -> None:
        with SteadyLoad(self._url, self.key) as load:
            time.sleep(3)
            struck = time.monotonic()
            strike()
            time.sleep(10)
        late = load.failures(since=struck + 1)
        expect(f"calls failed with a replica {what}", late, holds=not late and len(load.calls) > 0)
        seen = f"{load.failures()} of {len(load.calls)} calls failed, none after the first second"
        self._engine.passed(f"one replica of three {what}", f"{seen}; slowest {load.slowest_s():.1f} s")

    def _served(self, container: str) -> float:
        lines = self._engine.python(container, METRICS).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(SERVED))

    def _containers(self, *filters: str) -> list[str]:
        found = self.compose("ps", "--quiet", *filters)
        if not found:
            raise CheckFailed(f"no container of {' '.join(filters)}")
        return found

    def _enrolled(self) -> dict[str, int]:
        return {
            item["name"]: item["enrolled_images"] for item in self._request("GET", "/v1/modalities").json()["items"]
        }

    def _request(self, method: str, path: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.request(method, self._url + path, headers=headers, timeout=20, trust_env=False)
        expect(f"{method} {path.split('/')[2]}", answer.status_code, holds=answer.is_success)
        return answer

    def _database(self, tool: str, *arguments: str) -> None:
        self.compose("exec", "-T", "db", tool, "--username", "medreid", *arguments)
