"""The client of the demonstration, as anyone would write it with httpx."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

TRIES = 8
TIMEOUT_S = 60.0
REFUSED = "refused"


class ApiError(Exception):
    """The API gave an unexpected answer."""


@dataclass(frozen=True)
class Answer:
    """The answer to one picture."""

    decision: str
    """identified, candidates, unknown, or refused (none of the modalities)."""
    modality: str
    patient_id: str | None = None
    confidence: float = 0.0
    milliseconds: float = 0.0
    candidates: Sequence[str] = field(default_factory=tuple)


class Api:
    """One caller with one key."""

    def __init__(self, url: str, key: str, client: httpx.Client | None = None) -> None:
        self._client = client or httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self._headers = {"Authorization": f"Bearer {key}"}

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def identify(self, picture: Path) -> Answer:
        """Identify a picture. The time is the caller's waiting."""
        begun = time.perf_counter()
        response = self._send("POST", "/v1/identify", [picture])
        waited = 1000 * (time.perf_counter() - begun)
        body = response.json()
        if response.status_code == 422 and str(body["type"]).endswith("/unsupported-modality"):
            return Answer(REFUSED, "other", milliseconds=waited)
        _expect(response, 200)
        return Answer(
            decision=body["decision"],
            modality=body["modality"]["label"],
            patient_id=body["patient_id"],
            confidence=body["confidence"],
            milliseconds=waited,
            candidates=[candidate["patient_id"] for candidate in body["candidates"]],
        )

    def enrol(self, patient_id: str, pictures: Sequence[Path], modality: str | None = None) -> None:
        """Enrol pictures of one patient; searchable when it returns."""
        data = {"modality": modality} if modality else {}
        _expect(self._send("POST", f"/v1/patients/{patient_id}/images", pictures, data), 201)

    def erase(self, patient_id: str) -> None:
        """Erase a patient, if there is one."""
        _expect(self._send("DELETE", f"/v1/patients/{patient_id}"), 200, 404)

    def _send(
        self, method: str, path: str, pictures: Sequence[Path] = (), data: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send, and again if the API says when to retry."""
        # a file name may identify the patient: only its suffix is sent
        files: list[tuple[str, Any]] = [("file", (f"image{p.suffix}", p.read_bytes())) for p in pictures]
        for _ in range(TRIES):
            response = self._client.request(method, path, headers=self._headers, files=files or None, data=data)
            if response.status_code not in {429, 503}:
                break
            time.sleep(float(response.headers.get("retry-after", 1)))
        return response


def _expect(response: httpx.Response, *statuses: int) -> None:
    if response.status_code not in statuses:
        raise ApiError(f"{response.request.method} answered {response.status_code}: {response.text[:500]}")
