from __future__ import annotations

import time

import pytest

from gateway.audit import AuditEvent, AuditTrail
from shared.database.pool import Database
from shared.gallery.postgres import PostgresGallery
from shared.service.context import Deadline, RequestContext, current_request
from tests.gateway.conftest import System
from tests.gateway.pictures import png
from tests.shared.gallery.making import template


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    return AuditTrail(database)


async def test_an_event_says_who_asked_what_and_what_came_out(trail: AuditTrail, database: Database) -> None:
    context = RequestContext("request-17", "", Deadline(time.monotonic() + 1))
    token = current_request.set(context)
    await trail.record(AuditEvent("key-1", "identify", "candidates", "ct", "sha256:a", 0.5))
    current_request.reset(token)
    rows = await database.fetch(
        "SELECT request_id, caller, action, outcome, modality, model_digest, confidence FROM audit_events"
    )
    assert rows == [("request-17", "key-1", "identify", "candidates", "ct", "sha256:a", 0.5)]


async def test_an_event_holds_the_random_key_of_a_patient_and_never_the_id(
    trail: AuditTrail, database: Database, gallery: PostgresGallery
) -> None:
    await gallery.enrol("P-SECRET", [template(1)])
    await trail.record(AuditEvent("key-1", "verify", "match", patient_id="P-SECRET"))
    assert await database.fetch("SELECT patient_id FROM audit_events JOIN patients USING (patient_key)")
    assert "P-SECRET" not in str(await database.fetch("SELECT e::text FROM audit_events e"))


async def test_events_outlive_the_patient(trail: AuditTrail, database: Database, gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1)])
    await trail.record(AuditEvent("key-1", "verify", "match", patient_id="P-1"))
    await gallery.erase("P-1")
    ((key,),) = await database.fetch("SELECT patient_key FROM audit_events")
    assert key is not None
    assert await database.fetch("SELECT 1 FROM patients WHERE patient_key = %s", [key]) == []


@pytest.mark.parametrize("patient_id", [None, "P-9"])
async def test_an_event_about_nobody_has_no_key(trail: AuditTrail, database: Database, patient_id: str | None) -> None:
    await trail.record(AuditEvent("key-1", "identify", "unknown", patient_id=patient_id))
    assert await database.fetch("SELECT patient_key FROM audit_events") == [(None,)]


async def test_nothing_is_erased_where_its_event_cannot_be_stored(system: System, database: Database) -> None:
    image = (await system.enrol("P-1", png(1), modality="ct")).json()["images"][0]["image_id"]
    await database.fetch("ALTER TABLE audit_events RENAME TO away")
    try:
        for path in (f"/v1/patients/P-1/images/{image}", "/v1/patients/P-1"):
            assert (await system.delete(path)).status_code == 503
    finally:
        await database.fetch("ALTER TABLE away RENAME TO audit_events")
    assert await database.fetch("SELECT 1 FROM erasures") == []
    assert (await system.delete("/v1/patients/P-1")).json()["images_erased"] == 1


async def test_who_looks_at_patients_or_asks_for_one_is_recorded(system: System, database: Database) -> None:
    await system.enrol("P-1", png(1), modality="ct")
    await system.get("/v1/patients")
    await system.get("/v1/patients/P-1")
    rows = await database.fetch("SELECT action, outcome FROM audit_events ORDER BY event_id OFFSET 1")
    assert rows == [("list", "1 patients"), ("history", "1 images")]


async def test_whoever_asks_for_somebody_who_is_not_enrolled_is_recorded(system: System, database: Database) -> None:
    answers = [
        await system.verify(png(1), modality="ct", patient_id="P-2"),
        await system.get("/v1/patients/P-2"),
        await system.delete("/v1/patients/P-2"),
        await system.delete("/v1/patients/P-2/images/01JD3Q4M9T7V2X5Z8B1C6F0GHK"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    rows = await database.fetch("SELECT action, outcome, patient_key FROM audit_events ORDER BY event_id")
    assert rows == [(action, "not found", None) for action in ("verify", "history", "erase", "erase")]


async def test_an_enrolment_that_is_sent_again_is_recorded_again(system: System, database: Database) -> None:
    for _ in range(2):
        await system.enrol("P-1", png(1), modality="ct", idempotency="once")
    rows = await database.fetch("SELECT action, outcome, modality FROM audit_events ORDER BY event_id")
    assert rows == [("enrol", "1 images", "ct"), ("enrol", "1 images again", "ct")]
