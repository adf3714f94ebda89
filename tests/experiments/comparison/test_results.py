from pathlib import Path

import numpy as np
import pytest

from experiments.comparison.candidates import CANDIDATES
from experiments.comparison.material import Budget
from experiments.comparison.results import Result, Store, TrackRanks, ranked
from training.engine.validation import Scored

NEAR = TrackRanks("skin-lesion", 9, [1, 1, 2, 1], ["a", "a", "b", "c"])
FAR = TrackRanks("skin-lesion", 9, [2, 2, 4, 2], ["a", "a", "b", "c"])
RESULT = Result("frozen", [NEAR], 0, 3_000_000, 61.0, 20.0)


def test_a_tie_counts_against_the_patient() -> None:
    similarities = np.array([[0.9, 0.9], [0.2, 0.8]], np.float32)
    track = ranked(Scored("skin-lesion", ["a", "b"], np.array([0, 1]), similarities))
    assert (track.ranks, track.subjects, track.enrolled) == ([2, 1], ["a", "b"], 2)


def test_figures_come_with_intervals_around_them() -> None:
    rank1, precision = NEAR.figures()
    assert (rank1.value, precision.value) == (0.75, 0.875)
    assert rank1.low <= rank1.value <= rank1.high


def test_a_difference_draws_the_same_subjects_for_both() -> None:
    gain = NEAR.gain(FAR)
    assert gain.value == pytest.approx(0.875 - 0.4375)
    assert gain.low > 0
    assert (NEAR.gain(NEAR).low, NEAR.gain(NEAR).high) == (0, 0)


def test_a_stored_result_is_found_under_its_own_budget_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "comparison", Budget())
    assert store.load(CANDIDATES[0]) is None
    store.save(RESULT)
    assert store.load(CANDIDATES[0]) == RESULT
    assert store.load(CANDIDATES[1]) is None
    assert Store(tmp_path / "comparison", Budget(seed=2)).load(CANDIDATES[0]) is None
