"""The system as Swarm runs it: a new image rolls out without a failed call, and a bad one rolls back by itself."""

from __future__ import annotations

import time

from rich.console import Console

from tests.containers.composed import PICTURE
from tests.containers.engine import Engine, eventually, expect, lines
from tests.containers.load import Load

MANAGER = ("--listen-addr", "127.0.0.1:2377", "--advertise-addr", "127.0.0.1")
BAD = 'FROM medreid/ct-service:{tag}\nCMD ["false"]\n'


class Stacked:
    """A stack of the images that were built before."""

    def __init__(self, engine: Engine, name: str, url: str, tag: str, console: Console) -> None:
        self._engine, self._name, self._url, self._tag, self._console = engine, name, url, tag, console
        self._service = f"{name}_ct-service"
        self._ours = False
        self._key = ""

    def up(self) -> None:
        """Make this machine a swarm where it is none, deploy, wait until the gateway answers for every modality."""
        if self._engine.docker("info", "--format", "{{.Swarm.LocalNodeState}}") != "active":
            self._engine.docker("swarm", "init", *MANAGER)
            self._ours = True
        files = ("-c", "compose.yaml", "-c", "tests/containers/swarm.yaml")
        self._engine.docker("stack", "deploy", "--resolve-image", "never", *files, self._name)
        took = eventually("the stack is healthy", self._healthy)
        self._say("stack is healthy after", f"{took:.0f} s")
        create = ("python", "-m", "gateway.auth", "create", "--name", "test", "--all-scopes")
        self._key = self._engine.docker("exec", self._containers("gateway")[0], *create)

    def check_rolling_update(self) -> None:
        """Both replicas are replaced under load; no call fails."""
        image = f"medreid/ct-service:{self._tag}-next"
        self._engine.docker("tag", f"medreid/ct-service:{self._tag}", image)
        with self._load() as load:
            load.run(3)
            took = self._update(image, "completed")
            load.run(5)
        expect("calls failed in a rolling update", load.failures(), holds=not load.failures() and len(load.calls) > 0)
        expect("the image is not the new one", self._image(), holds=self._image() == image)
        self._say("rolling update", f"{took:.0f} s, none of {len(load.calls)} calls failed")

    def check_rollback(self) -> None:
        """A new image that ends at once is given up, and the old one goes on; no call fails."""
        good, bad = self._image(), f"medreid/ct-service:{self._tag}-bad"
        self._engine.docker("build", "--quiet", "--tag", bad, "-", stdin=BAD.format(tag=self._tag))
        with self._load() as load:
            load.run(3)
            took = self._update(bad, "rollback_completed")
            load.run(3)
        expect("calls failed with a bad image", load.failures(), holds=not load.failures() and len(load.calls) > 0)
        expect("the bad image was kept", self._image(), holds=self._image() == good)
        self._say("bad image rolled back by itself", f"{took:.0f} s, none of {len(load.calls)} calls failed")

    def down(self) -> None:
        """Remove the stack, its volume, the extra tags, and the swarm where it is ours."""
        self._engine.attempt("stack", "rm", self._name)
        label = f"label=com.docker.stack.namespace={self._name}"
        eventually("the containers of the stack end", lambda: not self._found("ps", "--all", label), 60)
        eventually("its networks are gone", lambda: not self._found("network", "ls", label), 60)
        for volume in self._found("volume", "ls", label):
            self._engine.attempt("volume", "rm", volume)
        for kind in ("next", "bad"):
            self._engine.attempt("image", "rm", f"medreid/ct-service:{self._tag}-{kind}")
        if self._ours:
            self._engine.attempt("swarm", "leave", "--force")
            self._engine.attempt("network", "rm", "docker_gwbridge")

    def _update(self, image: str, end: str) -> float:
        """Change the image and wait for that end of the update; seconds that it took."""
        begun = time.monotonic()
        self._engine.docker("service", "update", "--detach", "--no-resolve-image", "--image", image, self._service)
        eventually(f"the update is {end}", lambda: self._state() == end)
        return time.monotonic() - begun

    def _state(self) -> str:
        return str((self._engine.inspect(self._service)[0].get("UpdateStatus") or {}).get("State"))

    def _image(self) -> str:
        return str(self._engine.inspect(self._service)[0]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])

    def _healthy(self) -> bool:
        """Every service has the replicas that it wants; Swarm counts a task when its container is healthy."""
        listed = self._engine.docker("stack", "services", self._name, "--format", "{{.Name}} {{.Replicas}}")
        counts = [line.split()[:2] for line in lines(listed) if not line.startswith(f"{self._name}_migrate ")]
        return bool(counts) and all(len(set(replicas.split("/"))) == 1 for _, replicas in counts)

    def _containers(self, service: str) -> list[str]:
        return self._found("ps", "--no-trunc", f"label=com.docker.swarm.service.name={self._name}_{service}")

    def _found(self, *kind_and_filter: str) -> list[str]:
        *kind, condition = kind_and_filter
        return list(lines(self._engine.docker(*kind, "--quiet", "--filter", condition)))

    def _load(self) -> Load:
        return Load(self._url, self._key, PICTURE, "ct")

    def _say(self, what: str, seen: str) -> None:
        self._console.print(f"[green]✓[/green] {what}: {seen}", highlight=False, soft_wrap=True)
