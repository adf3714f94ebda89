"""How long each part of a request takes, as its answer says."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from shared.contracts.public import Timings


@dataclass
class Stopwatch:
    """Milliseconds by part of the way."""

    begun: float = field(default_factory=time.perf_counter)
    spent: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, part: str) -> None:
        """Everything since the last lap was `part`."""
        now = time.perf_counter()
        self.spent[part] = self.spent.get(part, 0.0) + 1000 * (now - self._last)
        self._last = now

    def timings(self) -> Timings:
        """What has been measured, and the total until now."""
        parts = {part: round(self.spent.get(part, 0.0), 2) for part in ("decode", "classify", "preprocess", "identify")}
        return Timings(**parts, total=round(1000 * (time.perf_counter() - self.begun), 2))
