"""The system as Compose runs it: its answers, its hardening, its replicas under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from tests.containers.engine import REPOSITORY, Engine, Failed, eventually, expect, lines
from tests.containers.hardening import check_container, check_reader
from tests.containers.images import check_images
from tests.containers.load import Load
from tests.containers.restoring import check_restore

PICTURE = REPOSITORY / "samples/images/ct/01-2.jpg"
SHARE = 0.20
"""Of the calls that every one of three replicas must get."""
FROM_SCRATCH = ("gateway", "migrate", "ct-service")
"""One service of each target; the others differ from the last of them by data only."""
SERVED = 'medreid_requests_total{method="POST",route="/v1/identify",status="200"}'


class Composed:
    """A Compose project that is up."""

    def __init__(self, engine: Engine, url: str, tag: str, console: Console) -> None:
        self._engine, self._url, self._tag, self._console = engine, url, tag, console
        self.key = ""

    def compose(self, *arguments: str) -> str:
        """Output of `docker compose ARGUMENTS`."""
        return self._engine.docker("compose", *arguments)

    def built(self) -> list[str]:
        """Services whose images are ours."""
        return [service for service in lines(self.compose("config", "--services")) if service != "db"]

    def build(self) -> None:
        """All images, from scratch."""
        self.compose("build", "--no-cache", *FROM_SCRATCH)
        self.compose("build")
        sizes = check_images(self._engine, self.built(), self._tag)
        self._say("sizes in MB", ", ".join(f"{name} {size:.0f}" for name, size in sorted(sizes.items())))

    def up(self) -> None:
        """Start all, wait until all are healthy, make a key with every scope."""
        begun = time.monotonic()
        # the migration ends, which --wait of some versions of Compose takes for a failure
        self._engine.attempt("compose", "up", "--detach", "--wait", "--wait-timeout", "180")
        found = self._engine.inspect(*self._containers("--all"))
        broken = [container["Id"] for container in found if not _well(container["State"])]
        logs = [self._engine.attempt("logs", "--tail", "15", container) for container in broken]
        expect("not everything came up", "\n".join(log.stdout + log.stderr for log in logs), holds=not broken)
        self._say("all healthy after", f"{time.monotonic() - begun:.0f} s")
        self.key = self.compose(
            "exec", "-T", "gateway", *["python", "-m", "gateway.auth", "create", "--name", "test", "--all-scopes"]
        )

    def check_hardening(self) -> None:
        """In every service of ours that runs."""
        services = [service for service in self.built() if service != "migrate"]
        networks = self._engine.inspect(*self._containers("gateway"))[0]["NetworkSettings"]["Networks"]
        outside = next(network["IPAddress"] for name, network in networks.items() if name.endswith("_public"))
        for service in services:
            (container,) = self._containers(service)
            check_container(self._engine, container, outside, public=service == "gateway")
            if service not in {"gateway", "compa-service"}:
                check_reader(self._engine, container)
        self._say("hardened", ", ".join(services))

    def check_restore(self) -> None:
        """What was dumped comes back whole."""
        self._say("dumped, erased, restored", check_restore(self._engine, self._url, self.key))

    def check_spread(self) -> None:
        """Three replicas share the calls that come over kept-alive connections."""
        self.compose("up", "--detach", "--no-recreate", "--wait", "--scale", "ct-service=3", "ct-service")
        replicas = self._containers("ct-service")
        expect("three replicas", replicas, holds=len(replicas) == 3)
        with self._load() as load:
            load.run(4)
            before = [self._served(replica) for replica in replicas]
            load.run(8)
            counts = [self._served(replica) - was for replica, was in zip(replicas, before, strict=True)]
        shares = [count / max(1, sum(counts)) for count in counts]
        expect(f"a replica got less than {SHARE:.0%}", counts, holds=min(shares) >= SHARE and not load.failures())
        self._say("calls spread over three replicas", ", ".join(f"{share:.0%}" for share in shares))

    def check_pause(self) -> None:
        """A frozen replica costs no call after the first second; thawed, it is used again."""
        victim = self._containers("ct-service")[0]
        self._under_load("paused", lambda: self._engine.docker("pause", victim))
        self._engine.docker("unpause", victim)
        with self._load() as load:
            was = self._served(victim)
            eventually("the thawed replica is used again", lambda: self._served(victim) > was, 30)
            expect("calls failed after the thaw", load.failures(), holds=not load.failures())

    def check_kill(self) -> None:
        """Nor does a killed one."""
        victim = self._containers("ct-service")[1]
        self._under_load("killed", lambda: self._engine.docker("kill", victim))

    def stop(self) -> None:
        """Remove everything that came up; the images stay."""
        self._engine.attempt("compose", "down", "--volumes", "--remove-orphans", "--timeout", "20")

    def down(self) -> None:
        """Remove the images, too."""
        self.stop()
        self._engine.attempt("image", "rm", *(f"medreid/{name}:{self._tag}" for name in self.built()))

    def left_over(self) -> Sequence[str]:
        """Containers, networks, volumes and images that are still there."""
        label = f"label=com.docker.compose.project={self._engine.environment['COMPOSE_PROJECT_NAME']}"
        kinds = (("ps", "--all"), ("network", "ls"), ("volume", "ls"))
        found = [name for kind in kinds for name in lines(self._engine.docker(*kind, "--quiet", "--filter", label))]
        return found + list(lines(self._engine.docker("image", "ls", "--quiet", f"medreid/*:{self._tag}")))

    def _under_load(self, what: str, strike: Callable[[], object]) -> None:
        with self._load() as load:
            load.run(3)
            struck = time.monotonic()
            strike()
            load.run(10)
        late = load.failures(since=struck + 1)
        expect(f"calls failed with a replica {what}", late, holds=not late and len(load.calls) > 0)
        early = len(load.failures())
        self._say(
            f"one replica of three {what}",
            f"{early} of {len(load.calls)} calls failed, all in the first second; slowest {load.slowest_s():.1f} s"
            if early
            else f"none of {len(load.calls)} calls failed; slowest {load.slowest_s():.1f} s",
        )

    def _load(self) -> Load:
        return Load(self._url, self.key, PICTURE, "ct")

    def _served(self, container: str) -> float:
        program = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/metrics').read().decode())"
        values = [line for line in self._engine.python(container, program).splitlines() if line.startswith(SERVED)]
        return float(values[0].split()[-1]) if values else 0.0

    def _containers(self, *filters: str) -> list[str]:
        found = list(lines(self.compose("ps", "--quiet", *filters)))
        if not found:
            raise Failed(f"no container of {' '.join(filters)}")
        return found

    def _say(self, what: str, seen: str) -> None:
        self._console.print(f"[green]✓[/green] {what}: {seen}", highlight=False, soft_wrap=True)


def _well(state: Mapping[str, Any]) -> bool:
    """Running and healthy, or ended with success."""
    return bool(state["ExitCode"] == 0 and state.get("Health", {}).get("Status", "healthy") == "healthy")
