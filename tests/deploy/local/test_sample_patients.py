"""How the demonstration judges the answers to its samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.demo.demo_api import REFUSED, Answer
from deploy.local.demo.sample_patients import PREFIX, Outcome, summary
from samples import Role, Sample


def sample(role: Role, modality: str = "ct", patient: str = "ct-01") -> Sample:
    return Sample(Path("x/y.jpg"), modality, patient, role, "phantom", "", "")


QUERY, STRANGER, FOREIGN = sample("query"), sample("stranger"), sample("foreign", "other", "")
FOUND, UNKNOWN = Answer("identified", "ct", PREFIX + "ct-01"), Answer("unknown", "ct")


@pytest.mark.parametrize(
    ("asked", "answer"), [(QUERY, FOUND), (STRANGER, UNKNOWN), (FOREIGN, Answer(REFUSED, "other"))]
)
def test_right_answers(asked: Sample, answer: Answer) -> None:
    assert Outcome(asked, answer).right


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (QUERY, UNKNOWN),
        (QUERY, Answer("candidates", "ct", candidates=[PREFIX + "ct-01"])),
        (QUERY, Answer("identified", "ct", PREFIX + "ct-02")),
        (QUERY, Answer("identified", "mri", PREFIX + "ct-01")),
        (QUERY, Answer(REFUSED, "other")),
        (STRANGER, FOUND),
        (STRANGER, Answer("candidates", "ct")),
        (STRANGER, Answer(REFUSED, "other")),
        (FOREIGN, UNKNOWN),
    ],
)
def test_wrong_answers(asked: Sample, answer: Answer) -> None:
    assert not Outcome(asked, answer).right


def test_the_summary_counts_by_kind_of_question() -> None:
    outcomes = [Outcome(QUERY, FOUND), Outcome(QUERY, UNKNOWN), Outcome(STRANGER, UNKNOWN)]
    expected = "3 of 3 routed rightly, 1 of 2 patients found, 1 of 1 strangers unknown, 0 of 0 other pictures refused"
    assert summary(outcomes) == expected
