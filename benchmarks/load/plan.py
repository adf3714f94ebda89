"""What the generator is told to do, and what it saw: plain data that travels as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class Plan:
    """One stretch of load. `rate` requests a second arrive whatever happens (open loop); None: closed loop."""

    url: str
    pictures: Sequence[str]
    seconds: float
    connections: int = 1
    """Closed loop: callers that each wait for their answer. Open loop: connections at the most."""
    rate: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    """Form fields beside the picture."""
    local: bool = True
    """For the floor, which has no form."""
    first: int = 0
    """Which picture comes first."""
    timeout_s: float = 30.0


class Sample(NamedTuple):
    """One request: seconds from the begin of the stretch at which it was due, seconds it took since, its status.

    In an open loop it is due when the clock says so, not when the generator came to it: a server that stalls delays
    those behind, and their waiting counts (no coordinated omission). Status 0: no answer.
    """

    at: float
    took: float
    status: int
    retry_after: str | None = None


def answered(samples: Iterable[Sample]) -> list[float]:
    """Seconds that those took who got their answer."""
    return [sample.took for sample in samples if sample.status == 200]


def throughput(samples: Iterable[Sample], seconds: float) -> float:
    """Answers a second, of those that came before the stretch of `seconds` ended."""
    return sum(sample.status == 200 and sample.at + sample.took <= seconds for sample in samples) / seconds
