import numpy as np
import pytest

from shared.images.recipes import build_recipe
from shared.keypoints.verification import LocalVerifier
from shared.modalities import RecipeSpec
from tests.shared.keypoints.surfaces import surface
from training.datasets.manifest import Row
from training.repeats import TRACK, repeat_shots
from training.validation import ValidationSet

ROWS = [
    Row(f"{i}{side}.png", "fundus", "s", f"p{i}", f"{side} eye", "t", "train", "train")
    for i in range(4)
    for side in "lr"
]
PICTURES = {row.path: surface(i) for i, row in enumerate(ROWS)}


@pytest.fixture(scope="module")
def shots() -> ValidationSet:
    return repeat_shots(ROWS, PICTURES, build_recipe(RecipeSpec(size=256)), seed=1)


def test_each_subject_is_asked_for_once_with_a_picture_that_was_made(shots: ValidationSet) -> None:
    (protocol,) = shots.protocols
    assert protocol.track == TRACK
    assert [row.path for row in protocol.gallery] == ["0l.png", "1l.png", "2l.png", "3l.png"]
    assert [row.subject for row in protocol.queries] == ["p0", "p1", "p2", "p3"]
    assert not {row.path for row in protocol.queries} & set(PICTURES)


def test_a_second_shot_looks_different_and_shows_the_same_surface(shots: ValidationSet) -> None:
    alike = np.zeros((len(shots.paths), 2), np.float32)
    alike[:, 0] = 1.0  # an embedding that tells nobody apart
    (scored,) = shots.verified(alike, LocalVerifier(upright=True))
    assert scored.inliers is not None
    own = scored.inliers[np.arange(4), scored.truth]
    others = np.where(np.eye(4)[scored.truth] > 0, 0, scored.inliers)
    assert np.median(own) > 2 * others.max()


def test_the_number_of_probes_that_are_compared_is_bounded(shots: ValidationSet) -> None:
    (scored,) = shots.verified(np.ones((len(shots.paths), 2), np.float32), LocalVerifier(upright=True), most=2)
    assert len(scored.truth) == 2


def test_made_shots_are_repeatable() -> None:
    again = [repeat_shots(ROWS, PICTURES, build_recipe(RecipeSpec(size=256)), seed=1) for _ in range(2)]
    np.testing.assert_array_equal(again[0].images, again[1].images)
