import pytest

from shared.contracts.public import OperatingPoint
from shared.errors import NoOperatingPoint
from shared.identification.operating_points import point_threshold, point_thresholds


@pytest.mark.parametrize(
    ("point", "strict", "threshold"),
    [
        ("standard", 0.9, 0.75),
        ("standard", None, 0.75),
        ("strict", 0.9, 0.9),
        ("strict", 0.6, 0.75),
        ("investigation", 0.9, None),
        ("investigation", None, None),
    ],
)
def test_the_confidence_that_identifies(point: OperatingPoint, strict: float | None, threshold: float | None) -> None:
    assert point_threshold(point, 0.75, strict) == threshold


def test_strict_needs_a_model_that_has_it() -> None:
    with pytest.raises(NoOperatingPoint, match="no strict threshold"):
        point_threshold("strict", 0.75, None)


def test_all_points_are_told_as_numbers_where_they_are_known() -> None:
    assert point_thresholds(0.8, 0.9).model_dump() == {"strict": 0.9, "standard": 0.8, "investigation": 1.0}
    assert point_thresholds(0.95, 0.9).strict == 0.95
    assert point_thresholds(0.8, None).strict is None
