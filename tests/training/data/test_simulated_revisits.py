import numpy as np
import pytest

from shared.images.recipes import build_recipe
from shared.keypoints.verification import LocalVerifier
from shared.modalities import RecipeSpec
from tests.shared.keypoints.surfaces import surface
from training.data.bundle_manifest import Row
from training.data.simulated_revisits import LATER_VISIT, REPEAT_SHOT, Revisits, later_visits, repeat_shots
from training.data.splits import series_and_position
from training.engine.validation import ValidationSet

ROWS = [
    Row(f"{i}{side}.png", "fundus", "s", f"p{i}", f"{side} eye", "t", "train", "train")
    for i in range(4)
    for side in "lr"
]
PICTURES = {row.path: surface(i) for i, row in enumerate(ROWS)}


def validation(revisits: Revisits) -> ValidationSet:
    return ValidationSet(revisits.protocols, revisits.pictures, build_recipe(RecipeSpec(size=256)))


@pytest.fixture(scope="module")
def shots() -> ValidationSet:
    return validation(repeat_shots(ROWS, PICTURES, seed=1))


def test_each_subject_has_one_simulated_query(shots: ValidationSet) -> None:
    (protocol,) = shots.protocols
    assert protocol.track == REPEAT_SHOT
    assert [row.path for row in protocol.gallery] == ["0l.png", "1l.png", "2l.png", "3l.png"]
    assert [row.subject for row in protocol.queries] == ["p0", "p1", "p2", "p3"]
    assert not {row.path for row in protocol.queries} & set(PICTURES)


def test_a_second_shot_shows_the_same_surface(shots: ValidationSet) -> None:
    alike = np.zeros((len(shots.paths), 2), np.float32)
    alike[:, 0] = 1.0  # an embedding that tells nobody apart
    (scored,) = shots.verified(alike, LocalVerifier(upright=True))
    assert scored.agreeing is not None
    own = scored.agreeing[np.arange(4), scored.truth]
    others = np.where(np.eye(4)[scored.truth] > 0, 0, scored.agreeing)
    assert np.median(own) > 2 * others.max()


def test_the_number_of_probes_that_are_compared_is_bounded(shots: ValidationSet) -> None:
    (scored,) = shots.verified(np.ones((len(shots.paths), 2), np.float32), LocalVerifier(upright=True), most=2)
    assert len(scored.truth) == 2


def test_made_shots_are_repeatable() -> None:
    again = [validation(repeat_shots(ROWS, PICTURES, seed=1)) for _ in range(2)]
    np.testing.assert_array_equal(again[0].images, again[1].images)


SLICES = [
    Row(f"{who}-{i}.png", "mri", "s", who, f"session 1, axial position {i:02} of 16", "t", "train", "train")
    for who in ("p0", "p1")
    for i in range(8)
]
SCANS = {row.path: surface(i) for i, row in enumerate(SLICES)}


@pytest.fixture(scope="module")
def visits() -> ValidationSet:
    made = later_visits(SLICES, SCANS, seed=1)
    assert made is not None
    return validation(made)


def test_a_later_visit_queries_slices_next_to_enrolled_ones(visits: ValidationSet) -> None:
    (protocol,) = visits.protocols
    assert protocol.track == LATER_VISIT
    assert [row.path for row in protocol.gallery] == [f"p{who}-{i}.png" for who in (0, 1) for i in (0, 2, 4, 6)]
    assert [row.path for row in protocol.queries] == [f"p{who}-{i}.png again" for who in (0, 1) for i in (1, 5)]
    assert [row.subject for row in protocol.queries] == ["p0", "p0", "p1", "p1"]


def test_only_queries_of_a_later_visit_are_changed(visits: ValidationSet) -> None:
    recipe = build_recipe(RecipeSpec(size=256))
    for path, image in zip(visits.paths, visits.images, strict=True):
        original = recipe(SCANS[path.removesuffix(" again")])
        change = np.abs(image.astype(int) - original.astype(int)).mean()
        assert (change > 5) if path.endswith(" again") else (change == 0), path


def test_strangers_to_a_later_visit_are_as_they_were_taken(visits: ValidationSet) -> None:
    (protocol,) = visits.protocols
    assert [f"{row.path} again" for row in protocol.strangers] == [row.path for row in protocol.queries]
    embeddings = np.eye(len(visits.paths), dtype=np.float32)
    (scored,) = visits.verified(embeddings, LocalVerifier(upright=True), most=2)
    assert scored.agreeing is not None
    assert scored.strangers is not None
    assert scored.strangers.agreeing is not None
    assert scored.strangers.truth.tolist() == scored.truth.tolist()
    assert (scored.strangers.agreeing != scored.agreeing).any()


def test_later_visits_are_repeatable(visits: ValidationSet) -> None:
    again = later_visits(SLICES, SCANS, seed=1)
    assert again is not None
    np.testing.assert_array_equal(validation(again).images, visits.images)


def test_without_neighbouring_slices_there_is_no_later_visit() -> None:
    lonely = [row for row in SLICES if series_and_position(row)[1] % 4 == 0]
    assert later_visits(lonely, SCANS, seed=1) is None
