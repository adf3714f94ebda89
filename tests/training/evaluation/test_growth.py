import numpy as np
import pytest

from shared.keypoints.verification import LIKELY, CascadeStage
from shared.models.manifest import Calibration
from training.calibration.posterior_eval import CalibratedPosterior
from training.evaluation.bootstrap import Array
from training.evaluation.growth import Gallery, grow
from training.evaluation.recognition_metrics import Scores
from training.evaluation.shipped import Cascade

POSTERIOR = CalibratedPosterior(Calibration(scale=1.0, offset=0.0, size_exponent=1.0))


def by_embedding(cosines: Array) -> Array:
    return 20 * cosines - 10


def gallery(joining: int, strangers: float = 0.3) -> Gallery:
    """Three people who are found at 0.9, one stranger, and others who join at a cosine of `strangers`."""
    cosines = np.vstack([np.full((3, 3), 0.1) + 0.8 * np.eye(3), np.full((1, 3), 0.2)])
    ratios = by_embedding(cosines)
    scores = Scores(ratios[:3], ratios[3:], np.arange(3), ["a", "b", "c"], ["x"])
    return Gallery(scores, cosines, np.full((4, joining), strangers), real=50)


def test_sizes_start_at_the_track_and_need_enough_people() -> None:
    sizes = grow(gallery(1500), Cascade(by_embedding, POSTERIOR), 0.75)
    assert [(size.enrolled, size.made_up) for size in sizes] == [(3, 0), (100, 47), (1000, 947)]


def test_confidence_falls_as_strangers_become_more() -> None:
    sizes = grow(gallery(9997), Cascade(by_embedding, POSTERIOR), 0.75)
    identified = [size.identified_rightly.value for size in sizes]
    assert identified[0] == 1.0
    assert identified[-1] == 0.0
    assert [size.rank1.value for size in sizes] == [1.0] * 4


def test_nearer_people_take_the_first_rank() -> None:
    sizes = grow(gallery(997, strangers=0.95), Cascade(by_embedding, POSTERIOR), 0.75)
    assert [size.rank1.value for size in sizes] == [1.0, 0.0, 0.0]


def test_joining_people_have_no_keypoints() -> None:
    grown = gallery(2).enlarged(2, Cascade(by_embedding, POSTERIOR))
    np.testing.assert_allclose(grown.queries[:, 3:], by_embedding(np.full((3, 2), 0.3)))
    assert grown.impostors.shape == (1, 5)


def test_people_beyond_the_candidates_lose_keypoints() -> None:
    crowded = gallery(2, strangers=0.5)
    crowded.scores.queries[:] += 5  # what keypoints add
    grown = crowded.enlarged(2, Cascade(by_embedding, POSTERIOR, (CascadeStage(2),)))
    own, others = np.diag(grown.queries[:, :3]), grown.queries[0, 1:3]
    assert own == pytest.approx(by_embedding(np.array([0.9] * 3)) + 5)  # still the nearest
    assert others == pytest.approx(by_embedding(np.array([0.1] * 2)))  # behind the two who joined


def test_an_unchanged_gallery_keeps_its_scores() -> None:
    alone = gallery(2)
    np.testing.assert_array_equal(
        alone.enlarged(0, Cascade(by_embedding, POSTERIOR, (CascadeStage(1),))).queries, alone.scores.queries
    )


def test_the_next_stage_compares_more_people() -> None:
    crowded = gallery(2, strangers=0.5)
    crowded.scores.queries[:] += 5
    crowded.cosines[0, 0] = 0.4  # behind the two who joined, one of whom is no more likely than nobody
    grown = crowded.enlarged(2, Cascade(by_embedding, POSTERIOR, (CascadeStage(2, LIKELY), CascadeStage(4))))
    assert grown.queries[0, 0] == crowded.scores.queries[0, 0]
    assert grown.queries[1, 0] == pytest.approx(by_embedding(np.array(0.1)))  # found at once, so nobody looks on
