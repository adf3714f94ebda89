"""The gallery on PostgreSQL, once with exact searches and once with searches by index."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest

from shared.errors import Conflict, NotFound
from shared.gallery.interface import LEADERS, LEADING_IMAGES, LOCAL_IMAGES, Template
from shared.gallery.postgres import PostgresGallery
from tests.shared.gallery.making import DIGEST, OTHER_DIGEST, claim, template, unit


@pytest.fixture(params=["postgres_gallery", "indexed_gallery"])
def gallery(request: pytest.FixtureRequest) -> PostgresGallery:
    found: PostgresGallery = request.getfixturevalue(request.param)
    return found


async def found(gallery: PostgresGallery, seed: int, limit: int = 5) -> list[str]:
    return [n.patient_id for n in (await gallery.search("ct", DIGEST, unit(seed), limit)).candidates]


async def test_an_empty_gallery_has_nobody(gallery: PostgresGallery) -> None:
    await gallery.ping()
    result = await gallery.search("ct", DIGEST, unit(1), 5)
    assert (list(result.candidates), result.enrolled_patients) == ([], 0)
    assert list(await gallery.patients(None, 5)) == []
    assert list(await gallery.counts()) == []


async def test_an_enrolled_image_is_found_at_once_with_its_cosine(gallery: PostgresGallery) -> None:
    (image,) = await gallery.enrol("P-1", [template(1, local=b"keypoints")])
    (neighbour,) = (await gallery.search("ct", DIGEST, unit(1), 5, with_local=1)).candidates
    assert (neighbour.patient_id, neighbour.image_id, neighbour.local) == ("P-1", image.image_id, (b"keypoints",))
    assert neighbour.similarity == pytest.approx(1.0, abs=1e-5)


async def test_only_the_nearest_come_with_their_local_part(gallery: PostgresGallery) -> None:
    for patient in range(4):
        await gallery.enrol(f"P-{patient}", [template(patient, local=b"%d" % patient)])
    nearest, *others = (await gallery.search("ct", DIGEST, unit(2), 3, with_local=1)).candidates
    assert nearest.local == (b"2",)
    assert [neighbour.local for neighbour in others] == [(), ()]
    bare = (await gallery.search("ct", DIGEST, unit(2), 3)).candidates
    assert [neighbour.local for neighbour in bare] == [()] * 3
    cut = (await gallery.search("ct", DIGEST, unit(2), 1, with_local=5)).candidates
    assert [neighbour.local for neighbour in cut] == [(b"2",)]


async def test_the_nearest_images_come_with_their_local_parts(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(seed, local=b"%d" % seed) for seed in range(16)])
    order = sorted(range(16), key=lambda seed: -float(unit(seed) @ unit(3)))
    expected = tuple(b"%d" % seed for seed in order[:LEADING_IMAGES])
    (found,) = (await gallery.search("ct", DIGEST, unit(3), 5, with_local=1)).candidates
    claimed = await gallery.find("ct", DIGEST, unit(3), "P-1")
    assert claimed is not None
    assert found.local == claimed.local == expected


async def test_those_behind_the_leaders_come_with_fewer_local_parts(gallery: PostgresGallery) -> None:
    for patient in range(LEADERS + 2):
        await gallery.enrol(f"P-{patient}", [template(20 * patient + i, local=b"local") for i in range(14)])
    found = (await gallery.search("ct", DIGEST, unit(3), 10, with_local=10)).candidates
    assert [len(neighbour.local) for neighbour in found] == [LEADING_IMAGES] * LEADERS + [LOCAL_IMAGES] * 2


async def test_local_parts_are_told_of_named_patients(gallery: PostgresGallery) -> None:
    for patient in range(3):
        templates = [template(20 * patient + i, local=b"%d" % (20 * patient + i)) for i in range(5)]
        await gallery.enrol(f"P-{patient}", templates)
    await gallery.enrol("P-bare", [template(1)])
    found = await gallery.local("ct", DIGEST, unit(3), ["P-2", "P-nobody", "P-bare", "P-0"])
    nearest = [sorted(range(s, s + 5), key=lambda seed: -float(unit(seed) @ unit(3)))[:LOCAL_IMAGES] for s in (40, 0)]
    expected = [tuple(b"%d" % seed for seed in seeds) for seeds in nearest]
    assert list(found) == [expected[0], (), (), expected[1]]
    assert list(await gallery.local("ct", "sha256:other", unit(3), ["P-2"])) == [()]
    assert list(await gallery.local("ct", DIGEST, unit(3), [])) == []


async def test_search_agrees_with_numpy(gallery: PostgresGallery) -> None:
    for patient in range(12):
        await gallery.enrol(f"P-{patient:02}", [template(100 * patient + i) for i in range(3)])
    cosines = {f"P-{p:02}": max(float(unit(7) @ unit(100 * p + i)) for i in range(3)) for p in range(12)}
    expected = sorted(cosines.items(), key=lambda item: -item[1])[:5]
    result = await gallery.search("ct", DIGEST, unit(7), 5)
    assert [n.patient_id for n in result.candidates] == [patient for patient, _ in expected]
    np.testing.assert_allclose([n.similarity for n in result.candidates], [s for _, s in expected], atol=1e-5)
    assert result.enrolled_patients == 12


async def test_equally_similar_patients_are_ordered_by_identifier(gallery: PostgresGallery) -> None:
    for patient in ("b", "a", "C"):
        await gallery.enrol(patient, [template(1)])
    assert await found(gallery, 1) == ["C", "a", "b"]


async def test_of_equally_similar_images_the_first_one_counts(gallery: PostgresGallery) -> None:
    first, _ = await gallery.enrol("P-1", [template(1), template(1)])
    (neighbour,) = (await gallery.search("ct", DIGEST, unit(1), 5)).candidates
    best = await gallery.find("ct", DIGEST, unit(1), "P-1")
    assert best is not None
    assert neighbour.image_id == best.image_id == first.image_id


async def test_modalities_and_digests_are_never_compared(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1, "mri"), template(1, "ct", OTHER_DIGEST)])
    result = await gallery.search("ct", DIGEST, unit(1), 5)
    assert (list(result.candidates), result.enrolled_patients) == ([], 0)
    assert await gallery.find("ct", DIGEST, unit(1), "P-1") is None


async def test_find_compares_with_one_patient_only(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1), template(2)])
    await gallery.enrol("P-2", [template(3)])
    best = await gallery.find("ct", DIGEST, unit(3), "P-1")
    assert best is not None
    assert best.similarity == pytest.approx(max(float(unit(3) @ unit(i)) for i in (1, 2)), abs=1e-5)
    assert await gallery.find("ct", DIGEST, unit(3), "P-9") is None


async def test_the_same_claim_replays_and_enrols_once(gallery: PostgresGallery) -> None:
    first = await gallery.enrol("P-1", [template(1)], idempotency=claim("k"))
    assert await gallery.enrol("P-1", [template(1)], idempotency=claim("k")) == first
    assert await gallery.replay(claim("k")) == first
    assert len((await gallery.patient("P-1")).images) == 1


async def test_concurrent_requests_with_one_claim_enrol_once(gallery: PostgresGallery) -> None:
    answers = await asyncio.gather(*(gallery.enrol("P-1", [template(1)], idempotency=claim("k")) for _ in range(5)))
    assert len({tuple(image.image_id for image in answer) for answer in answers}) == 1
    assert len((await gallery.patient("P-1")).images) == 1


async def test_the_same_claim_with_another_body_is_a_conflict(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1)], idempotency=claim("k"))
    with pytest.raises(Conflict):
        await gallery.enrol("P-1", [template(2)], idempotency=claim("k", b"2"))
    with pytest.raises(Conflict):
        await gallery.replay(claim("k", b"2"))
    assert await gallery.replay(claim("another")) is None


async def test_claims_of_two_callers_are_independent(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1)], idempotency=claim("k", caller="a"))
    await gallery.enrol("P-1", [template(2)], idempotency=claim("k", b"2", caller="b"))
    assert len((await gallery.patient("P-1")).images) == 2


async def test_a_claim_ends_with_its_patient(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1)], idempotency=claim("k"))
    await gallery.erase("P-1")
    assert await gallery.replay(claim("k")) is None
    assert len(await gallery.enrol("P-2", [template(2)], idempotency=claim("k", b"2"))) == 1


async def test_a_replay_no_longer_names_an_image_that_was_erased(gallery: PostgresGallery) -> None:
    kept, gone = await gallery.enrol("P-1", [template(1), template(2)], idempotency=claim("k"))
    await gallery.erase_image("P-1", gone.image_id)
    assert await gallery.replay(claim("k")) == [kept]


async def test_a_failing_enrolment_leaves_nothing(gallery: PostgresGallery) -> None:
    wrong = Template("ct", DIGEST, np.zeros(3, np.float32), 0.5)
    with pytest.raises(psycopg.DataError):
        await gallery.enrol("P-1", [template(1), wrong], idempotency=claim("k"))
    with pytest.raises(NotFound):
        await gallery.patient("P-1")
    assert await gallery.replay(claim("k")) is None
    assert await found(gallery, 1) == []


async def test_patients_are_paged_by_the_bytes_of_their_ids(gallery: PostgresGallery) -> None:
    for patient in ("b", "B", "a1", "a.1", "a_1"):
        await gallery.enrol(patient, [template(1), template(2, "mri")])
    first = await gallery.patients(None, 3)
    rest = await gallery.patients(first[-1].patient_id, 3)
    assert [line.patient_id for line in (*first, *rest)] == ["B", "a.1", "a1", "a_1", "b"]
    assert (first[0].images, list(first[0].modalities)) == (2, ["ct", "mri"])
    assert list(await gallery.patients("b", 3)) == []


async def test_the_history_is_in_order_of_acquisition(gallery: PostgresGallery) -> None:
    for year in (2021, 2019, 2020):
        await gallery.enrol("P-1", [template(year)], reference=str(year), acquired_at=datetime(year, 1, 1, tzinfo=UTC))
    await gallery.enrol("P-1", [template(1)], reference="now")
    assert [i.reference for i in (await gallery.patient("P-1")).images] == ["2019", "2020", "2021", "now"]


async def test_images_of_one_enrolment_stay_in_their_order(gallery: PostgresGallery) -> None:
    images = await gallery.enrol("P-1", [template(seed) for seed in range(20)])
    assert list((await gallery.patient("P-1")).images) == list(images)


async def test_an_erased_patient_is_gone_and_the_others_stay(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1), template(2)])
    await gallery.enrol("P-2", [template(3)])
    erasure = await gallery.erase("P-1")
    assert erasure.images_erased == 2
    assert erasure.erased_at.tzinfo is not None
    assert await found(gallery, 1) == ["P-2"]
    assert [line.patient_id for line in await gallery.patients(None, 5)] == ["P-2"]
    await gallery.enrol("P-1", [template(2)])
    assert len((await gallery.patient("P-1")).images) == 1
    assert (await gallery.erase("P-1")).receipt_id != erasure.receipt_id


async def test_one_image_can_be_erased(gallery: PostgresGallery) -> None:
    kept, gone = await gallery.enrol("P-1", [template(1), template(2)])
    await gallery.erase_image("P-1", gone.image_id)
    assert list((await gallery.patient("P-1")).images) == [kept]


async def test_a_patient_without_images_stays_but_is_not_searched(gallery: PostgresGallery) -> None:
    (image,) = await gallery.enrol("P-1", [template(1)])
    await gallery.erase_image("P-1", image.image_id)
    assert list((await gallery.patient("P-1")).images) == []
    (line,) = await gallery.patients(None, 5)
    assert (line.images, list(line.modalities)) == (0, [])
    assert (await gallery.search("ct", DIGEST, unit(1), 5)).enrolled_patients == 0
    assert (await gallery.erase("P-1")).images_erased == 0


@pytest.mark.parametrize("verb", ["patient", "erase"])
async def test_an_unknown_patient_is_not_found(gallery: PostgresGallery, verb: str) -> None:
    with pytest.raises(NotFound):
        await getattr(gallery, verb)("P-9")


@pytest.mark.parametrize("other", ["P-2", "P-9"])
async def test_an_image_of_another_patient_is_not_found(gallery: PostgresGallery, other: str) -> None:
    (image,) = await gallery.enrol("P-1", [template(1)])
    await gallery.enrol("P-2", [template(2)])
    with pytest.raises(NotFound):
        await gallery.erase_image(other, image.image_id)


async def test_counts_are_per_modality_and_digest(gallery: PostgresGallery) -> None:
    await gallery.enrol("P-1", [template(1), template(2), template(3, "mri")])
    await gallery.enrol("P-2", [template(4, "ct", OTHER_DIGEST)])
    counted = {(c.modality, c.model_digest): (c.patients, c.images) for c in await gallery.counts()}
    assert counted == {("ct", DIGEST): (1, 2), ("mri", DIGEST): (1, 1), ("ct", OTHER_DIGEST): (1, 1)}
