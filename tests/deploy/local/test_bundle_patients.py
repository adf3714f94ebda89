"""Which real patients the demonstration takes, and how it names what became of a picture."""

import pytest

from deploy.local.demo.bundle_patients import PATIENTS, outcome, select
from deploy.local.demo.demo_api import REFUSED, Answer
from training.data.bundle_manifest import Row


def row(subject: str, role: str, track: str = "a", split: str = "test", modality: str = "ct") -> Row:
    return Row(f"{subject}-{role}-{track}.jpg", modality, "here", subject, "", track, split, role)


def patient(name: str, track: str = "a") -> list[Row]:
    return [row(name, "gallery", track), row(name, "query", track)]


def test_patients_are_enrolled_and_identified_strangers_not() -> None:
    selection = select([*patient("p"), row("s", "impostor"), row("d", "distractor")], "ct")
    assert [r.subject for r in selection.gallery] == ["p"]
    assert [r.subject for r in selection.queries] == ["p"]
    assert [r.subject for r in selection.strangers] == ["s"]


def test_training_pictures_and_other_modalities_are_left_alone() -> None:
    rows = [row("t", "gallery", split="train"), row("t", "query", split="train"), row("m", "impostor", modality="mri")]
    selection = select(rows, "ct")
    assert not selection.gallery
    assert not selection.strangers


def test_tracks_alternate_until_a_large_one_fills_the_rest() -> None:
    rows = [r for i in range(100) for r in patient(f"large{i}", "large")]
    rows += [r for i in range(3) for r in patient(f"small{i}", "small")]
    chosen = {r.subject for r in select(rows, "ct").gallery}
    assert len(chosen) == PATIENTS
    assert sum(name.startswith("small") for name in chosen) == 3


def test_the_choice_does_not_depend_on_the_order_of_the_rows() -> None:
    rows = [r for i in range(100) for r in patient(f"p{i}")]
    first, second = select(rows, "ct"), select(rows[::-1], "ct")
    assert {r.subject for r in first.gallery} == {r.subject for r in second.gallery}


def test_a_stranger_of_two_tracks_is_one_person() -> None:
    assert len(select([row("s", "impostor", "a"), row("s", "impostor", "b")], "ct").strangers) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer("identified", "ct", "p"), "right"),
        (Answer("identified", "ct", "q"), "wrong"),
        (Answer("candidates", "ct", candidates=["q", "p"]), "candidates"),
        (Answer("candidates", "ct", candidates=["q"]), "other candidates"),
        (Answer("unknown", "ct"), "unknown"),
        (Answer("identified", "mri", "p"), "misrouted"),
        (Answer(REFUSED, "other"), "refused"),
    ],
)
def test_every_answer_has_one_name(answer: Answer, expected: str) -> None:
    assert outcome(answer, "ct", "p") == expected
