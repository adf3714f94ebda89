"""The audit trail: which caller did what, and the outcome. It holds a patient's random key, never the identifier."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from shared.database.pool import Database
from shared.errors import NotFound
from shared.service.context import id_of_request
from shared.ulid import new_ulid


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event. `patient_id` is not stored; it finds the patient's random key."""

    caller: str
    action: str
    outcome: str
    modality: str | None = None
    model_digest: str | None = None
    confidence: float | None = None
    patient_id: str | None = None


class AuditTrail:
    """The table `audit_events`. The event of a request is stored before its answer is sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unit_of_work(self) -> AbstractAsyncContextManager[None]:
        """Store what the block changes and its event together, or neither."""
        return self._database.unit_of_work()

    @asynccontextmanager
    async def recording_not_found(self, caller: str, action: str) -> AsyncIterator[None]:
        """Record lookups of unknown patients as well: if the block raises NotFound, store an event."""
        try:
            yield
        except NotFound:
            await self.record(AuditEvent(caller, action, "not found"))
            raise

    async def record(self, event: AuditEvent) -> None:
        """Store an event; raises DatabaseUnavailable."""
        await self._database.fetch(
            "INSERT INTO audit_events"
            " (event_id, request_id, caller, action, outcome, modality, model_digest, confidence, patient_key)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, (SELECT patient_key FROM patients WHERE patient_id = %s))",
            [
                new_ulid(),
                id_of_request(),
                event.caller,
                event.action,
                event.outcome,
                event.modality,
                event.model_digest,
                event.confidence,
                event.patient_id,
            ],
        )
