"""The system under Swarm: a new image rolls out without a failed call, and a broken one rolls back by itself."""

from __future__ import annotations

import time

from tests.containers.compose_system import CREATE_KEY, TAG
from tests.containers.engine import Engine, eventually, expect
from tests.containers.steady_load import SteadyLoad

NAME = "medreid-test-stack"
SERVICE = f"{NAME}_ct-service"
NEXT, BROKEN = f"medreid/ct-service:{TAG}-next", f"medreid/ct-service:{TAG}-broken"


class SwarmStack:
    """A stack of the images that were built before."""

    def __init__(self, engine: Engine, url: str) -> None:
        self._engine, self._url = engine, url
        self._made_swarm, self._key = False, ""

    def up(self) -> None:
        """Make this machine a swarm if it is none, deploy, and wait until every service has its replicas."""
        if self._engine.docker("info", "--format", "{{.Swarm.LocalNodeState}}") != "active":
            self._engine.docker("swarm", "init", "--listen-addr", "127.0.0.1:2377", "--advertise-addr", "127.0.0.1")
            self._made_swarm = True
        files = ("-c", "compose.yaml", "-c", "tests/containers/swarm.yaml")
        self._engine.docker("stack", "deploy", "--resolve-image", "never", *files, NAME)
        self._engine.passed("stack is healthy after", f"{eventually('the stack is healthy', self._healthy):.0f} s")
        label = f"label=com.docker.swarm.service.name={NAME}_gateway"
        (gateway,) = self._engine.lines("ps", "--no-trunc", "--quiet", "--filter", label)
        self._key = self._engine.docker("exec", gateway, *CREATE_KEY)

    def check_rolling_update(self) -> None:
        """Check that both replicas are replaced under load without a failed call."""
        self._engine.docker("tag", f"medreid/ct-service:{TAG}", NEXT)
        self._update(NEXT, "completed")
        expect("the image is not the new one", self._image(), holds=self._image() == NEXT)

    def check_rollback(self) -> None:
        """Check that an image whose process ends at once is rolled back without a failed call."""
        before = self._image()
        recipe = f'FROM medreid/ct-service:{TAG}\nCMD ["false"]\n'
        self._engine.docker("build", "--quiet", "--tag", BROKEN, "-", stdin=recipe)
        self._update(BROKEN, "rollback_completed")
        expect("the broken image was kept", self._image(), holds=self._image() == before)

    def close(self) -> None:
        """Remove the stack, its volumes, the extra tags, and the swarm if it was made here."""
        self._engine.attempt("stack", "rm", NAME)
        label = f"label=com.docker.stack.namespace={NAME}"
        remaining = ("--quiet", "--filter", label)
        eventually("the containers end", lambda: not self._engine.lines("ps", "--all", *remaining), 60)
        eventually("the networks are gone", lambda: not self._engine.lines("network", "ls", *remaining), 60)
        for volume in self._engine.lines("volume", "ls", *remaining):
            self._engine.attempt("volume", "rm", volume)
        self._engine.attempt("image", "rm", NEXT, BROKEN)
        if self._made_swarm:
            self._engine.attempt("swarm", "leave", "--force")
            self._engine.attempt("network", "rm", "docker_gwbridge")

    def _update(self, image: str, ending: str) -> None:
        """Change the image under load and wait for that ending of the update; no call may fail."""
        with SteadyLoad(self._url, self._key) as load:
            time.sleep(3)
            self._engine.docker("service", "update", "--detach", "--no-resolve-image", "--image", image, SERVICE)
            took = eventually(f"the update is {ending}", lambda: self._update_state() == ending)
            time.sleep(4)
        calls = len(load.calls)
        expect(f"calls failed until {ending}", load.failures(), holds=not load.failures() and calls > 0)
        self._engine.passed(f"update is {ending}", f"{took:.0f} s, none of {calls} calls failed")

    def _update_state(self) -> str:
        return str((self._engine.inspect(SERVICE)[0].get("UpdateStatus") or {}).get("State"))

    def _image(self) -> str:
        return str(self._engine.inspect(SERVICE)[0]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])

    def _healthy(self) -> bool:
        """Return whether every service has the replicas that it wants; Swarm counts healthy containers."""
        listed = self._engine.lines("stack", "services", NAME, "--format", "{{.Name}} {{.Replicas}}")
        counts = [line.split()[:2] for line in listed if not line.startswith(f"{NAME}_migrate ")]
        return bool(counts) and all(len(set(replicas.split("/"))) == 1 for _, replicas in counts)
