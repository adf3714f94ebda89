"""Plans for the generator and its samples: plain data, exchanged as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class Plan:
    """One period of load. With a `rate`, requests arrive at that rate (open loop); None: closed loop."""

    url: str
    pictures: Sequence[str]
    seconds: float
    connections: int = 1
    """Closed loop: number of callers, each waiting for its answer. Open loop: maximum number of connections."""
    rate: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    """Form fields beside the picture."""
    local: bool = True
    """The form of the floor, which has no HTTP."""
    first: int = 0
    """Index of the first picture."""
    timeout_s: float = 30.0


class Sample(NamedTuple):
    """One request: when it was due in seconds after the start, how long it took since then, and its status.

    In an open loop a request is due by the clock, not when the generator sends it. So if a server stalls, the waiting
    of later requests counts (no coordinated omission). Status 0: no answer.
    """

    at: float
    took: float
    status: int
    retry_after: str | None = None


def answered(samples: Iterable[Sample]) -> list[float]:
    """Return the seconds of the requests that were answered."""
    return [sample.took for sample in samples if sample.status == 200]


def throughput(samples: Iterable[Sample], seconds: float) -> float:
    """Return the answers a second that came within `seconds`."""
    return sum(sample.status == 200 and sample.at + sample.took <= seconds for sample in samples) / seconds
