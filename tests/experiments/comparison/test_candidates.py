from dataclasses import asdict

from experiments.comparison.candidates import CANDIDATES, REFERENCE

BY_KEY = {candidate.key: candidate for candidate in CANDIDATES}
TOLD = ("key", "question", "title", "against")


def test_every_row_is_compared_with_another_row() -> None:
    assert len(BY_KEY) == len(CANDIDATES)
    assert {candidate.against for candidate in CANDIDATES} <= set(BY_KEY)


def test_rows_differ_in_one_thing_and_mami_in_two() -> None:
    for candidate in CANDIDATES:
        if candidate.key != REFERENCE:
            mine, other = asdict(candidate), asdict(BY_KEY[candidate.against])
            assert sum(mine[name] != other[name] for name in mine if name not in TOLD) == 1 + candidate.taught, (
                candidate.key
            )


def test_the_trained_part_is_named() -> None:
    assert BY_KEY["frozen"].learned == "nothing"
    assert BY_KEY[REFERENCE].learned == "all but batch normalisation"
    assert BY_KEY["random"].learned == "all, from random weights"
