"""What each container takes: its memory at rest and after calls, and the processor time of one identification."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from rich.console import Console
from rich.table import Table

from deploy.containers.engine import Engine, expect
from samples import sample_set

CALLS = 60
"""Identifications of each modality."""
REST_S = 3.0
"""After so long without a call, services have given their memory back."""
KEPT = ("anon", "shmem")
"""Of the kernel's account of a container, what it cannot take away again."""


@dataclass
class Taken:
    """Of one container: MiB at rest and after its calls; CPU milliseconds over so many identifications."""

    rest_mib: float
    after_mib: float = 0.0
    milliseconds: float = 0.0
    calls: int = field(default=0)


@dataclass(frozen=True)
class Sizing:
    """The running containers by service, their gateway's address and a key that may identify."""

    engine: Engine
    containers: Mapping[str, str]
    url: str
    key: str

    def measure(self) -> dict[str, Taken]:
        """All services; those of modalities without samples have memory alone. Failed where a call fails."""
        time.sleep(REST_S)
        taken = {name: Taken(self._memory_mib(name)) for name in self.containers}
        for modality in dict.fromkeys(sample.modality for sample in sample_set(role="query")):
            others = {name for name in taken if name.endswith("-service") and name != "compa-service"}
            working = [name for name in taken if name == f"{modality}-service" or name not in others]
            with self._counted(working, taken):
                self._identify(modality)
        return taken

    @contextmanager
    def _counted(self, working: Sequence[str], taken: Mapping[str, Taken]) -> Iterator[None]:
        before = {name: self._spent_ms(name) for name in working}
        yield
        for name in working:
            taken[name].milliseconds += self._spent_ms(name) - before[name]
            taken[name].after_mib = self._memory_mib(name)
            taken[name].calls += CALLS

    def _identify(self, modality: str) -> None:
        pictures = [sample.path.read_bytes() for sample in sample_set(modality=modality, role="query")]
        headers = {"authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=15.0, trust_env=False) as client:
            for number in range(CALLS):
                files = {"file": ("image", pictures[number % len(pictures)])}
                status = client.post("/v1/identify", files=files).status_code
                expect(f"an identification of {modality}", status, holds=status == httpx.codes.OK)

    def _memory_mib(self, service: str) -> float:
        account = _account(self._read(service, "memory.stat"))
        return sum(account[name] for name in KEPT) / 2**20

    def _spent_ms(self, service: str) -> float:
        return _account(self._read(service, "cpu.stat"))["usage_usec"] / 1000

    def _read(self, service: str, file: str) -> str:
        return self.engine.docker("exec", self.containers[service], "cat", f"/sys/fs/cgroup/{file}")


def show(taken: Mapping[str, Taken], console: Console) -> None:
    """Print a line for each service."""
    table = Table(title=f"What containers take, over {CALLS} identifications of each modality", title_justify="left")
    for heading in ("service", "MiB at rest", "MiB after the calls", "CPU ms of one identification"):
        table.add_column(heading, justify="left" if heading == "service" else "right")
    for name, one in sorted(taken.items()):
        called = [f"{one.after_mib:.0f}", f"{one.milliseconds / one.calls:.1f}"] if one.calls else ["", ""]
        table.add_row(name, f"{one.rest_mib:.0f}", *called)
    console.print(table)


def _account(text: str) -> dict[str, int]:
    """Of a file of the kernel's account of a control group, one name and number a line."""
    pairs = (line.split() for line in text.splitlines())
    return {name: int(number) for name, number in pairs}
