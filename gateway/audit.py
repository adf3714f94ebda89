"""The audit trail: who asked what and what came out; never a patient's id, only the random key behind it."""

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
    """One event; `patient_id` is only used to look the random key up."""

    caller: str
    action: str
    outcome: str
    modality: str | None = None
    model_digest: str | None = None
    confidence: float | None = None
    patient_id: str | None = None


class AuditTrail:
    """The table `audit_events`. An answer is only given once its event is stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def unit_of_work(self) -> AbstractAsyncContextManager[None]:
        """What is done in the block and its event are stored together or not at all."""
        return self._database.unit_of_work()

    @asynccontextmanager
    async def noticing(self, caller: str, action: str) -> AsyncIterator[None]:
        """That somebody is not there is an answer, too: where the block raises NotFound, it leaves an event."""
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
