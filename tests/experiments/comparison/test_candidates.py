from dataclasses import asdict

from experiments.comparison.candidates import CANDIDATES, REFERENCE

BY_KEY = {candidate.key: candidate for candidate in CANDIDATES}
TOLD = ("key", "question", "title", "against", "cost")


def test_every_row_has_a_name_of_its_own_and_a_row_that_it_is_compared_with() -> None:
    assert len(BY_KEY) == len(CANDIDATES)
    assert {candidate.against for candidate in CANDIDATES} <= set(BY_KEY)


def test_every_row_differs_in_one_thing_from_the_row_that_it_is_compared_with_and_mami_in_both_of_its_parts() -> None:
    for candidate in CANDIDATES:
        if candidate.key != REFERENCE:
            mine, other = asdict(candidate), asdict(BY_KEY[candidate.against])
            assert sum(mine[name] != other[name] for name in mine if name not in TOLD) == 1 + candidate.taught, (
                candidate.key
            )


def test_what_is_learned_is_told_in_words() -> None:
    assert BY_KEY["frozen"].learned == "nothing"
    assert BY_KEY[REFERENCE].learned == "all but batch normalisation"
    assert BY_KEY["random"].learned == "all, from random weights"
