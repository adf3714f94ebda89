"""What callers do, from beginning to end, through the API and all real services."""

from __future__ import annotations

import pytest

from shared.database.pool import Database
from shared.gallery.postgres import PostgresGallery
from tests.gateway.conftest import MODALITIES, Down, Start, System
from tests.gateway.pictures import as_format, dicom, png
from tests.shared.gallery.making import template


async def test_enrol_identify_erase_identify(system: System) -> None:
    enrolled = await system.enrol("P-7", png(7), modality="skin")
    assert enrolled.status_code == 201
    found = (await system.identify(png(7), modality="skin")).json()
    assert (found["decision"], found["patient_id"]) == ("identified", "P-7")
    receipt = (await system.delete("/v1/patients/P-7")).json()
    assert (receipt["patient_id"], receipt["images_erased"]) == ("P-7", 1)
    lost = (await system.identify(png(7), modality="skin")).json()
    assert (lost["decision"], lost["patient_id"], lost["candidates"], lost["confidence"]) == ("unknown", None, [], 0.0)
    assert (await system.get("/v1/patients/P-7")).status_code == 404


async def test_after_erasure_nothing_of_the_patient_is_in_any_table(system: System, database: Database) -> None:
    image = (await system.enrol("P-GONE", png(1), modality="ct", reference="REF-GONE", idempotency="once")).json()
    await system.identify(png(1), modality="ct")
    await system.verify(png(1), modality="ct", patient_id="P-GONE")
    await system.delete("/v1/patients/P-GONE")
    for (table,) in await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        content = str(await database.fetch(f"SELECT t::text FROM {table} t"))  # noqa: S608 - a name out of the catalogue
        for trace in ("P-GONE", "REF-GONE", image["images"][0]["image_id"]):
            assert trace not in content, table


async def test_the_answer_has_every_field_of_the_contract(system: System) -> None:
    await system.enrol("P-1", png(1), modality="ct")
    answer = (await system.identify(png(1), modality="ct")).json()
    expected = (
        "request_id decision patient_id confidence threshold operating_point candidates modality model timings_ms"
    )
    assert set(expected.split()) <= set(answer)
    assert set(answer["candidates"][0]) == {"patient_id", "confidence", "similarity", "inliers", "image_id"}
    assert set(answer["modality"]) == {"label", "confidence", "source", "probabilities", "conflict", "subtype"}
    assert set(answer["timings_ms"]) == {"decode", "classify", "preprocess", "identify", "total"}
    assert answer["threshold"] == 0.75
    total = sum(c["confidence"] for c in answer["candidates"]) + answer["unknown_probability"]
    assert total == pytest.approx(1.0, abs=1e-6)


async def test_candidates_are_grouped_by_patient_best_first_and_at_most_top_k(system: System) -> None:
    for patient in range(5):
        await system.enrol(f"P-{patient}", png(patient), png(100 + patient), modality="mri")
    answer = (await system.identify(png(3), modality="mri", top_k="4")).json()
    patients = [c["patient_id"] for c in answer["candidates"]]
    similarities = [c["similarity"] for c in answer["candidates"]]
    assert len(patients) == len(set(patients)) == 4
    assert patients[0] == "P-3"
    assert similarities == sorted(similarities, reverse=True)


async def test_several_images_of_one_probe_give_one_answer(system: System) -> None:
    await system.enrol("P-1", png(1), png(2), modality="ct")
    answer = await system.identify(png(1), png(2), modality="ct")
    assert answer.status_code == 200
    assert [c["patient_id"] for c in answer.json()["candidates"]] == ["P-1"]


async def test_a_threshold_of_the_caller_overrules_the_registry(system: System) -> None:
    await system.enrol("P-1", png(1), modality="ct")
    answer = (await system.identify(png(1), modality="ct", threshold="1")).json()
    assert answer["threshold"] == 1.0
    assert answer["decision"] != "identified"
    assert answer["patient_id"] is None


async def test_verify_says_whether_it_is_the_patient_of_the_chart(system: System) -> None:
    await system.enrol("P-1", png(1), modality="fundus")
    right = (await system.verify(png(1), modality="fundus", patient_id="P-1")).json()
    assert right["match"] is True
    another = (await system.verify(png(2), modality="fundus", patient_id="P-1", threshold="0")).json()
    assert another["match"] is True
    strict = (await system.verify(png(2), modality="fundus", patient_id="P-1", threshold="1")).json()
    assert strict["match"] is False
    assert strict["confidence"] == another["confidence"] < right["confidence"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
async def test_every_accepted_format_is_identified(system: System, kind: str) -> None:
    await system.enrol("P-1", png(1), modality="ct")
    answer = (await system.identify(as_format(kind, 1), modality="ct")).json()
    assert answer["candidates"][0]["patient_id"] == "P-1"


async def test_a_dicom_header_names_the_modality(system: System) -> None:
    answer = (await system.identify(dicom("CT"))).json()
    assert (answer["modality"]["label"], answer["modality"]["source"]) == ("ct", "dicom")
    assert answer["modality"]["probabilities"]


async def test_the_same_idempotency_key_enrols_once(system: System) -> None:
    first = await system.enrol("P-1", png(1), modality="ct", idempotency="k-1")
    second = await system.enrol("P-1", png(1), modality="ct", idempotency="k-1")
    assert (second.status_code, second.json()) == (201, first.json())
    assert len((await system.get("/v1/patients/P-1")).json()["images"]) == 1


async def test_the_history_is_in_time_order_with_references(system: System) -> None:
    for year in ("2022", "2020", "2021"):
        await system.enrol("P-1", png(1), modality="ct", reference=year, acquired_at=f"{year}-05-01T10:00:00Z")
    images = (await system.get("/v1/patients/P-1")).json()["images"]
    assert [image["reference"] for image in images] == ["2020", "2021", "2022"]


async def test_patients_are_listed_page_by_page(system: System) -> None:
    for patient in ("P-1", "P-2", "P-3"):
        await system.enrol(patient, png(1), modality="ct")
    first = (await system.get("/v1/patients?limit=2")).json()
    rest = (await system.get(f"/v1/patients?limit=2&after={first['next']}")).json()
    assert [p["patient_id"] for p in first["items"] + rest["items"]] == ["P-1", "P-2", "P-3"]
    assert rest["next"] is None


async def test_one_image_can_be_erased(system: System) -> None:
    enrolled = (await system.enrol("P-1", png(1), png(2), modality="ct")).json()
    image = enrolled["images"][0]["image_id"]
    assert (await system.delete(f"/v1/patients/P-1/images/{image}")).status_code == 204
    assert len((await system.get("/v1/patients/P-1")).json()["images"]) == 1
    assert (await system.delete(f"/v1/patients/P-1/images/{image}")).status_code == 404


async def test_modalities_show_models_and_what_is_enrolled(system: System) -> None:
    await system.enrol("P-1", png(1), png(2), modality="skin")
    items = {item["name"]: item for item in (await system.get("/v1/modalities")).json()["items"]}
    assert set(items) == set(MODALITIES)
    assert (items["skin"]["enrolled_patients"], items["skin"]["enrolled_images"]) == (1, 2)
    assert all(item["ready"] and item["model"].startswith("sha256:") for item in items.values())


async def test_templates_of_another_model_are_outdated_and_not_searched(system: System, database: Database) -> None:
    await PostgresGallery(database).enrol("P-1", [template(1, "skin")])
    items = {item["name"]: item for item in (await system.get("/v1/modalities")).json()["items"]}
    assert (items["skin"]["enrolled_images"], items["skin"]["outdated_images"]) == (0, 1)
    assert (await system.identify(png(1), modality="skin")).json()["decision"] == "unknown"


async def test_preview_is_what_the_model_sees(system: System) -> None:
    answer = await system.client.post(
        "/v1/preview", files={"file": png(1)}, data={"modality": "mri", "accept_any": "true"}, headers=system.headers()
    )
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-medreid-modality"] == "mri"
    assert answer.content.startswith(b"\x89PNG")


async def test_preview_takes_one_image(system: System) -> None:
    files = [("file", png(1)), ("file", png(2))]
    answer = await system.client.post("/v1/preview", files=files, headers=system.headers())
    assert answer.status_code == 422


async def test_two_gateways_see_each_others_enrolments_at_once(start: Start) -> None:
    one, other = await start(), await start()
    await one.enrol("P-1", png(1), modality="ct")
    assert (await other.identify(png(1), modality="ct")).json()["patient_id"] == "P-1"


async def test_a_service_that_is_down_takes_only_its_modality_with_it(system: System) -> None:
    system.switches["ct"].to = Down()
    down = await system.identify(png(1), modality="ct")
    assert (down.status_code, down.headers["retry-after"]) == (503, "2")
    assert (await system.identify(png(1), modality="mri")).status_code == 200
    ready = {item["name"]: item["ready"] for item in (await system.get("/v1/modalities")).json()["items"]}
    assert ready == {name: name != "ct" for name in MODALITIES}


async def test_without_compa_no_image_is_accepted(system: System) -> None:
    system.switches["compa"].to = Down()
    assert (await system.identify(png(1))).status_code == 503
    assert (await system.identify(png(1), modality="mri")).status_code == 503
    assert (await system.get("/health/ready")).status_code == 503
    assert (await system.get("/health/live")).status_code == 200


async def test_every_answer_leaves_an_audit_event_that_names_nobody(system: System, database: Database) -> None:
    await system.enrol("P-AUDIT", png(1), modality="ct")
    await system.identify(png(1), modality="ct")
    await system.verify(png(1), modality="ct", patient_id="P-AUDIT")
    await system.delete("/v1/patients/P-AUDIT")
    events = await database.fetch("SELECT action, outcome, patient_key, t::text FROM audit_events t ORDER BY event_id")
    assert [event[0] for event in events] == ["enrol", "identify", "verify", "erase"]
    assert events[1][1] == "identified"
    assert events[0][2] == events[1][2] == events[2][2] is not None
    assert not any("P-AUDIT" in event[3] for event in events)
