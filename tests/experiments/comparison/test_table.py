from experiments.comparison.candidates import CANDIDATES
from experiments.comparison.material import Budget
from experiments.comparison.results import Result, TrackRanks
from experiments.comparison.table import comparison

SUBJECTS = ["a", "a", "b", "c"]


def result(key: str, ranks: list[int]) -> Result:
    return Result(key, [TrackRanks("skin-lesion", 9, ranks, SUBJECTS)], 1536, 3_000_000, 90.0, 30.0)


def test_nothing_measured_is_said() -> None:
    assert "Nothing was measured" in comparison(CANDIDATES, {}, Budget())


def test_rows_stand_by_question_with_counts_intervals_and_paired_differences() -> None:
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


def test_a_row_whose_counterpart_is_missing_is_compared_with_the_reference() -> None:
    results = {"mami": result("mami", [1, 1, 2, 1])}
    assert "| - | 75.0 (" in comparison(CANDIDATES, results, Budget())
    results["reference"] = result("reference", [2, 2, 4, 2])
    assert "| reference | 75.0 (" in comparison(CANDIDATES, results, Budget())
