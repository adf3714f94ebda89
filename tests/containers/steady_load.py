"""A steady load of identifications through the published port."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import httpx

from deploy.local.state_folder import REPOSITORY

CALLERS = 4
TIMEOUT_S = 15.0
PICTURE = REPOSITORY / "samples/images/ct/01-2.jpg"


class SteadyLoad:
    """Callers that identify one picture again and again, on kept-alive connections, while the block runs."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._headers = url, {"authorization": f"Bearer {key}"}
        self._picture = PICTURE.read_bytes()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]
        self.calls: list[tuple[float, float, bool]] = []
        """Begin on time.monotonic(), seconds, and whether it was answered with 200."""

    def __enter__(self) -> SteadyLoad:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S + 5)

    def failures(self, since: float = 0.0) -> int:
        """Return how many calls that began after `since` failed."""
        return sum(not answered for begun, _, answered in list(self.calls) if begun >= since)

    def slowest_s(self) -> float:
        """Return the longest time of a call."""
        return max((took for _, took, _ in list(self.calls)), default=0.0)

    def _call(self) -> None:
        files, data = {"file": ("image.jpg", self._picture)}, {"modality": "ct"}
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._stop.is_set():
                begun = time.monotonic()
                try:
                    answered = client.post("/v1/identify", files=files, data=data).status_code == httpx.codes.OK
                except httpx.TransportError:
                    answered = False
                self.calls.append((begun, time.monotonic() - begun, answered))
