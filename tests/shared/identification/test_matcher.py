"""The matcher over the tiny model, with a gallery in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from shared.contracts.internal import IdentifyAnswer
from shared.errors import DeadlineExceeded, NotFound
from shared.gallery.interface import Embedding, GalleryCandidate, SearchResult, Template, local_images
from shared.identification.calibration import (
    log_likelihood_ratios,
    normalise_cosines,
    posterior,
    verification_probability,
)
from shared.identification.cohort import Cohort
from shared.identification.matching import MAX_CANDIDATES, Matcher, decode_embedding
from shared.images.quality import measure_quality
from shared.keypoints.verification import VERIFIED_CANDIDATES, LocalVerifier
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import Calibration, OperatingPoints
from shared.service.app_factory import ServiceFrame
from shared.service.context import Deadline
from shared.service.model import LoadedModel, ModelServiceSettings
from tests.shared.identification.pictures import like, picture

VERIFIER = LocalVerifier(upright=True)
FUSED = Calibration(scale=40.0, offset=-20.0, keypoint_worth=10.0, keypoint_chance=15.0)


@dataclass
class Shelf:
    """A gallery in memory: templates by patient and image."""

    templates: dict[tuple[str, str], Template] = field(default_factory=dict)
    answered: threading.Event = field(default_factory=threading.Event)

    async def search(
        self, modality: str, model_digest: str, embedding: Embedding, limit: int, with_local: int = 0
    ) -> SearchResult:
        patients = {patient for (patient, _), one in self.templates.items() if self._of(one, modality, model_digest)}
        found = [await self.find(modality, model_digest, embedding, patient) for patient in sorted(patients)]
        nearest = sorted((one for one in found if one), key=lambda one: -one.similarity)[:limit]
        self.answered.set()
        return SearchResult(
            [
                replace(one, local=one.local[: local_images(rank)] if rank < with_local else ())
                for rank, one in enumerate(nearest)
            ],
            len(patients),
        )

    async def local(
        self, modality: str, model_digest: str, embedding: Embedding, patient_ids: Sequence[str]
    ) -> Sequence[tuple[bytes, ...]]:
        found = [await self.find(modality, model_digest, embedding, patient) for patient in patient_ids]
        return [one.local if one else () for one in found]

    async def find(
        self, modality: str, model_digest: str, embedding: Embedding, patient_id: str
    ) -> GalleryCandidate | None:
        own = [
            (image, template)
            for (patient, image), template in self.templates.items()
            if patient == patient_id and self._of(template, modality, model_digest)
        ]
        self.answered.set()
        if not own:
            return None
        own.sort(key=lambda one: -float(one[1].embedding @ embedding))
        image, nearest = own[0]
        local = tuple(template.local for _, template in own if template.local is not None)
        return GalleryCandidate(patient_id, image, float(nearest.embedding @ embedding), local)

    def _of(self, template: Template, modality: str, model_digest: str) -> bool:
        return (template.modality, template.model_digest) == (modality, model_digest)


@pytest.fixture
async def model(identifier_folder: Path) -> AsyncIterator[LoadedModel]:
    settings = ModelServiceSettings()
    loaded = LoadedModel(identifier_folder, ServiceFrame(settings), settings)
    async with loaded.loading():
        while not loaded.started():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        yield loaded


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def matcher(model: LoadedModel, shelf: Shelf) -> Matcher:
    return Matcher(model, FUSED, shelf, VERIFIER)


def soon() -> Deadline:
    return Deadline.after(20_000)


async def enrol(matcher: Matcher, shelf: Shelf, patient: str, *images: np.ndarray, digest: str | None = None) -> None:
    made = await matcher.templates(np.stack(images), soon())
    for one in made.templates:
        local = one.local.data if one.local else None
        name = f"I-{len(shelf.templates)}"
        template = Template("ct", digest or made.model, decode_embedding(one.embedding), one.quality, local)
        shelf.templates[patient, name] = template


async def identify(matcher: Matcher, *images: np.ndarray, top_k: int = 10) -> IdentifyAnswer:
    return await matcher.identify(np.stack(images), top_k, soon())


def keypoint_weights(probe: np.ndarray, people: Sequence[int]) -> list[float]:
    enrolled = [[VERIFIER.extract_template(picture(person))] for person in people]
    return [match.weight for (match,) in VERIFIER.match(VERIFIER.extract_probe([probe]), enrolled)]


@pytest.mark.parametrize("cohort", [None, Cohort(np.eye(4, 256, dtype=np.float32))], ids=["alone", "with a cohort"])
async def test_probabilities_are_the_posterior_of_both_parts(
    model: LoadedModel, shelf: Shelf, identifier_folder: Path, cohort: Cohort | None
) -> None:
    calibration = FUSED.model_copy(update={"cohort_weight": 0.5, "cohort_level": 0.1, "offset": -25.0})
    matcher = Matcher(model, calibration, shelf, VERIFIER, cohort)
    for person in range(4):
        await enrol(matcher, shelf, f"P-{person}", picture(person))
    probe = like(2, noise=90.0)
    answer = await identify(matcher, probe)

    session = LiteRTSession(identifier_folder)
    embedding = session.run(probe[np.newaxis])
    cosines = session.run(np.stack([picture(person) for person in range(4)])) @ embedding[0]
    levels = cohort.levels(embedding)[0] if cohort else None
    similarities = normalise_cosines(cosines, levels, calibration)
    weights = keypoint_weights(probe, range(4))
    ratios = log_likelihood_ratios(similarities, weights, calibration)
    order = np.argsort(-ratios)
    expected, unknown = posterior(ratios[order], 4, calibration)
    assert [match.patient_id for match in answer.matches] == [f"P-{person}" for person in order]
    assert [match.similarity for match in answer.matches] == pytest.approx(cosines[order].tolist(), abs=1e-5)
    assert [match.probability for match in answer.matches] == pytest.approx(expected.tolist(), rel=1e-3)
    assert answer.unknown_probability == pytest.approx(unknown, rel=1e-3)
    assert (answer.enrolled_patients, answer.model) == (4, model.manifest.digest)

    claimed = (await matcher.verify(probe[np.newaxis], "P-1", soon())).match
    assert claimed.probability == pytest.approx(
        verification_probability(float(similarities[1]), weights[1], calibration), rel=1e-3
    )


async def test_a_stranger_is_unknown_as_is_any_probe_of_no_patients(matcher: Matcher, shelf: Shelf) -> None:
    nobody = await identify(matcher, picture(1))
    assert (nobody.matches, nobody.unknown_probability, nobody.enrolled_patients) == ([], 1.0, 0)
    await enrol(matcher, shelf, "P-1", picture(1))
    stranger = await identify(matcher, picture(77))
    assert stranger.unknown_probability > 0.99
    assert stranger.matches[0].patient_id == "P-1"


async def test_keypoints_of_candidates_are_counted(matcher: Matcher, shelf: Shelf) -> None:
    for person in range(3):
        await enrol(matcher, shelf, f"P-{person}", picture(person))
    right, *wrong = (await identify(matcher, like(1))).matches
    assert right.patient_id == "P-1"
    assert right.inliers is not None
    assert right.inliers > 3 * max(match.inliers or 0 for match in wrong)


@pytest.mark.parametrize("claimed", [False, True], ids=["identify", "verify"])
async def test_the_gallery_is_asked_while_keypoints_are_found(model: LoadedModel, claimed: bool) -> None:
    shelf = Shelf()

    class Patient(LocalVerifier):
        def extract_probe(self, views: Sequence[np.ndarray]) -> list:  # type: ignore[type-arg]
            assert shelf.answered.wait(20)
            return super().extract_probe(views)

    matcher = Matcher(model, FUSED, shelf, Patient(upright=True))
    await enrol(matcher, shelf, "P-1", picture(1))
    if claimed:
        assert (await matcher.verify(picture(1)[np.newaxis], "P-1", soon())).match.patient_id == "P-1"
    else:
        assert (await identify(matcher, picture(1))).matches[0].patient_id == "P-1"


async def behind_others(
    model: LoadedModel, session: LiteRTSession, further: int, nearer: int, farther: int
) -> IdentifyAnswer:
    """Keypoints of patient P are the probe's. Cosines of `nearer` others are higher, those of `farther` ones lower."""
    probe, across = session.run(np.stack([picture(1), picture(2)]))
    across = across - (across @ probe) * probe
    across /= np.linalg.norm(across)
    other = VERIFIER.extract_template(picture(100))
    own = VERIFIER.extract_template(picture(1))
    people = [*((0.3, f"O-{i:02}", other) for i in range(nearer)), (0.2, "P", own)]
    people += [(0.1, f"Q-{i:02}", other) for i in range(farther)]
    shelf = Shelf(
        {
            (name, "I"): Template(
                "ct", model.manifest.digest, cosine * probe + np.sqrt(1 - cosine**2) * across, 1.0, local
            )
            for cosine, name, local in people
        }
    )
    matcher = Matcher(model, FUSED, shelf, LocalVerifier(upright=True, further=further))
    return await identify(matcher, picture(1), top_k=MAX_CANDIDATES)


@pytest.mark.parametrize(
    ("further", "nearer", "farther", "compared"),
    [
        pytest.param(0, 2, 5, 3, id="clear among the first three"),
        pytest.param(0, 3, 5, 9, id="behind the first three"),
        pytest.param(0, VERIFIED_CANDIDATES - 1, 3, VERIFIED_CANDIDATES, id="last of the second stage"),
        pytest.param(5, VERIFIED_CANDIDATES - 1, 9, VERIFIED_CANDIDATES, id="found before the third stage"),
        pytest.param(5, VERIFIED_CANDIDATES + 4, 3, VERIFIED_CANDIDATES + 5, id="last of the third stage"),
    ],
)
async def test_keypoints_are_compared_stage_by_stage(
    model: LoadedModel, identifier_folder: Path, further: int, nearer: int, farther: int, compared: int
) -> None:
    answer = await behind_others(model, LiteRTSession(identifier_folder), further, nearer, farther)
    assert answer.matches[0].patient_id == "P"
    assert answer.matches[0].probability > 0.9
    assert sum(match.inliers is not None for match in answer.matches) == compared


@pytest.mark.parametrize(("further", "nearer"), [(0, VERIFIED_CANDIDATES), (5, VERIFIED_CANDIDATES + 5)])
async def test_nobody_is_found_behind_the_last_stage(
    model: LoadedModel, identifier_folder: Path, further: int, nearer: int
) -> None:
    answer = await behind_others(model, LiteRTSession(identifier_folder), further, nearer, 0)
    assert answer.matches[0].patient_id != "P"
    assert answer.matches[0].probability < 0.1


async def test_without_keypoints_the_embedding_alone_decides(model: LoadedModel, shelf: Shelf) -> None:
    without = Matcher(model, FUSED, shelf)
    await enrol(without, shelf, "P-1", picture(1))
    for matcher in (without, Matcher(model, FUSED, shelf, VERIFIER)):
        (match,) = (await identify(matcher, picture(1))).matches
        claimed = (await matcher.verify(picture(1)[np.newaxis], "P-1", soon())).match
        assert (match.patient_id, match.image_id, match.inliers, claimed.inliers) == ("P-1", "I-0", None, None)
        assert match.similarity == claimed.similarity == pytest.approx(1.0)


async def test_keypoints_prove_a_claim_that_the_embedding_does_not(model: LoadedModel, shelf: Shelf) -> None:
    doubtful = FUSED.model_copy(update={"scale": 0.0, "offset": -3.0})
    matcher = Matcher(model, doubtful, shelf, VERIFIER)
    await enrol(matcher, shelf, "P-1", picture(1))
    await enrol(Matcher(model, doubtful, shelf), shelf, "P-2", picture(1))
    claims = [await matcher.verify(picture(1)[np.newaxis], patient, soon()) for patient in ("P-1", "P-2")]
    assert claims[0].match.probability > 0.99
    assert claims[1].match.probability < 0.1


async def test_images_of_one_probe_are_pooled(matcher: Matcher, shelf: Shelf) -> None:
    await enrol(matcher, shelf, "P-1", picture(1))
    await enrol(matcher, shelf, "P-2", picture(2))
    alone = await identify(matcher, picture(1))
    both = await identify(matcher, picture(1), picture(2))
    first, second = both.matches
    assert first.similarity == pytest.approx(second.similarity, abs=1e-4)
    assert first.similarity < alone.matches[0].similarity


async def test_each_image_of_a_probe_is_scored_on_its_own(matcher: Matcher, shelf: Shelf) -> None:
    for person in (1, 2):
        await enrol(matcher, shelf, f"P-{person}", picture(person))
    probe = [like(1, 60.0), picture(77), like(2, 60.0)]
    together = await identify(matcher, *probe)
    assert len(together.images) == len(probe)
    for one, evidence in zip(probe, together.images, strict=True):
        alone = await identify(matcher, one)
        assert alone.images == []
        assert evidence.patient_id == alone.matches[0].patient_id
        assert evidence.probability == pytest.approx(alone.matches[0].probability, abs=1e-6)
        assert evidence.unknown_probability == pytest.approx(alone.unknown_probability, abs=1e-6)


async def test_an_image_without_compared_keypoints_is_scored_too(matcher: Matcher, shelf: Shelf) -> None:
    await enrol(matcher, shelf, "P-1", picture(1))
    answer = await identify(matcher, *[picture(1)] * 6)
    without = await identify(Matcher(matcher._model, FUSED, shelf), picture(1))
    probabilities = [one.probability for one in answer.images]
    assert probabilities[1] == pytest.approx(without.matches[0].probability)
    assert probabilities[0] > probabilities[1]


async def test_images_support_no_patient_if_none_is_enrolled(matcher: Matcher) -> None:
    answer = await identify(matcher, picture(1), picture(2))
    assert [(one.patient_id, one.unknown_probability) for one in answer.images] == [(None, 1.0)] * 2


@pytest.mark.parametrize(("top_k", "found"), [(1, 1), (10, 5)])
async def test_there_are_as_many_candidates_as_asked_for(
    matcher: Matcher, shelf: Shelf, top_k: int, found: int
) -> None:
    for person in range(5):
        await enrol(matcher, shelf, f"P-{person}", picture(person))
    assert len((await identify(matcher, picture(0), top_k=top_k)).matches) == found


async def test_templates_of_another_model_are_not_compared(matcher: Matcher, shelf: Shelf) -> None:
    await enrol(matcher, shelf, "P-1", picture(1), digest=f"sha256:{'0' * 64}")
    assert (await identify(matcher, picture(1))).matches == []
    with pytest.raises(NotFound, match="no enrolled image of this modality"):
        await matcher.verify(picture(1)[np.newaxis], "P-1", soon())


async def test_a_claim_is_compared_with_the_claimed_patient_alone(matcher: Matcher, shelf: Shelf) -> None:
    await enrol(matcher, shelf, "P-1", picture(1), picture(3))
    await enrol(matcher, shelf, "P-2", picture(2))
    right = await matcher.verify(like(3)[np.newaxis], "P-1", soon())
    wrong = await matcher.verify(like(3)[np.newaxis], "P-2", soon())
    assert right.model == matcher._digest
    assert (right.match.patient_id, right.match.image_id) == ("P-1", "I-1")
    assert right.match.probability > 0.99
    assert right.match.similarity > 0.9
    assert (right.match.inliers or 0) > 20
    assert wrong.match.probability < 0.01


async def test_the_answer_has_the_models_strict_threshold(model: LoadedModel, shelf: Shelf) -> None:
    points = OperatingPoints(strict=0.9606, strict_origin="")
    model.manifest = model.manifest.model_copy(update={"operating_points": points})
    assert (await identify(Matcher(model, FUSED, shelf), picture(1))).strict_threshold == 0.9606


async def test_every_image_gets_a_template(matcher: Matcher, identifier_folder: Path) -> None:
    images = np.stack([picture(1), np.full((224, 224, 3), 128, np.uint8)])
    made = await matcher.templates(images, soon())
    embeddings = [decode_embedding(template.embedding) for template in made.templates]
    np.testing.assert_allclose(embeddings, LiteRTSession(identifier_folder).run(images), atol=1e-6)
    assert made.model == matcher._digest
    assert [one.quality for one in made.templates] == pytest.approx([measure_quality(picture(1)), 0.0])
    assert [one.local and one.local.data for one in made.templates] == [
        VERIFIER.extract_template(image) for image in images
    ]


async def test_nothing_begins_after_the_deadline(matcher: Matcher, shelf: Shelf) -> None:
    await enrol(matcher, shelf, "P-1", picture(1))
    late, image = Deadline.after(-1), picture(1)[np.newaxis]
    for late_work in (
        matcher.identify(image, 3, late),
        matcher.verify(image, "P-1", late),
        matcher.templates(image, late),
    ):
        with pytest.raises(DeadlineExceeded):
            await late_work
