import pytest

from shared.contracts.public import Decision
from shared.identification.decision import decide


@pytest.mark.parametrize(
    ("top", "unknown", "decision"),
    [
        (None, 1.0, "unknown"),
        (0.75, 0.2, "identified"),
        (0.749, 0.2, "candidates"),
        (0.4, 0.399, "candidates"),
        (0.4, 0.4, "unknown"),
        (0.3, 0.45, "unknown"),
        (0.0, 1.0, "unknown"),
    ],
)
def test_the_decision_of_the_default_threshold(top: float | None, unknown: float, decision: Decision) -> None:
    assert decide(top, unknown, 0.75) == decision


def test_a_low_threshold_identifies_if_unknown_is_likelier() -> None:
    assert decide(0.3, 0.6, 0.3) == "identified"


@pytest.mark.parametrize(
    ("top", "unknown", "decision"),
    [(None, 1.0, "unknown"), (1.0, 0.0, "candidates"), (0.4, 0.5, "candidates"), (0.0, 1.0, "candidates")],
)
def test_without_a_threshold_all_are_candidates(top: float | None, unknown: float, decision: Decision) -> None:
    assert decide(top, unknown, None) == decision
