import numpy as np
import pytest

from experiments.comparison.candidates import CANDIDATES
from experiments.comparison.material import Budget
from experiments.comparison.results import Result, TrackRanks, comparison, ranked
from training.engine.validation import TrackScores

NEAR = TrackRanks("skin-lesion", 9, [1, 1, 2, 1], ["a", "a", "b", "c"])
FAR = TrackRanks("skin-lesion", 9, [2, 2, 4, 2], ["a", "a", "b", "c"])


def test_a_tie_counts_against_the_patient() -> None:
    similarities = np.array([[0.9, 0.9], [0.2, 0.8]], np.float32)
    track = ranked(TrackScores("skin-lesion", ["a", "b"], np.array([0, 1]), similarities))
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


SUBJECTS = ["a", "a", "b", "c"]


def result(key: str, ranks: list[int]) -> Result:
    return Result(key, [TrackRanks("skin-lesion", 9, ranks, SUBJECTS)], 1536, 3_000_000, 90.0, 30.0)


def test_rows_have_intervals_and_paired_differences() -> None:
    results = {key: result(key, ranks) for key, ranks in {"softmax": [1, 1, 2, 1], "reference": [2, 2, 4, 2]}.items()}
    text = comparison(CANDIDATES, results, Budget(seed=7))
    lines = text.splitlines()
    reference, softmax = lines[-2], lines[-1]
    assert text.startswith("Seed 7; 96 pixels a side; ")
    assert "skin-lesion: 4 probes of 3 subjects, 9 enrolled" in text
    assert reference.startswith("| a | ")
    assert "<br>" not in reference
    assert softmax.startswith("| d | softmax (linear head) | all but batch normalisation | reference | 75.0 (")
    assert "/ 87.5 (" in softmax
    assert "<br>+43.8 (+" in softmax
    assert softmax.endswith("| 3.0 | 1536 | 1.5 / 0.5 |")


def test_the_reference_replaces_a_missing_counterpart() -> None:
    results = {"mami": result("mami", [1, 1, 2, 1])}
    assert "| - | 75.0 (" in comparison(CANDIDATES, results, Budget())
    results["reference"] = result("reference", [2, 2, 4, 2])
    assert "| reference | 75.0 (" in comparison(CANDIDATES, results, Budget())
