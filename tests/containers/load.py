"""A steady load of identifications through the published port, and what became of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx

CALLERS = 4
TIMEOUT_S = 15.0
REFUSED = 0
"""Status of a call that had no answer."""


@dataclass(frozen=True)
class Call:
    """One identification."""

    begun: float
    """Seconds of time.monotonic()."""
    took_s: float
    status: int

    @property
    def failed(self) -> bool:
        """Whether the caller did not get what it asked for."""
        return self.status != httpx.codes.OK


class Load:
    """Callers that ask one after another on kept-alive connections, from the beginning of a block to its end."""

    def __init__(self, url: str, key: str, picture: Path, modality: str) -> None:
        self._url, self._headers = url, {"authorization": f"Bearer {key}"}
        self._files, self._data = {"file": ("image.jpg", picture.read_bytes())}, {"modality": modality}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(CALLERS)]
        self.calls: list[Call] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 5)

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        time.sleep(seconds)

    def failures(self, since: float = 0.0) -> Sequence[Call]:
        """Calls that were begun after `since` and failed."""
        return [call for call in list(self.calls) if call.failed and call.begun >= since]

    def slowest_s(self) -> float:
        """The longest that a caller has waited."""
        return max((call.took_s for call in list(self.calls)), default=0.0)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._stop.is_set():
                begun = time.monotonic()
                self.calls.append(Call(begun, status=self._status(client), took_s=time.monotonic() - begun))

    def _status(self, client: httpx.Client) -> int:
        try:
            return client.post("/v1/identify", files=self._files, data=self._data).status_code
        except httpx.TransportError:
            return REFUSED
