"""Operating points: thresholds for the same probabilities, shared by gateway and evaluation.

`standard` is the modality's threshold in the registry. `strict` is the model's own threshold, chosen on validation
patients so that few strangers reach it (`training.calibration.strict_threshold`). `investigation` never identifies and
always shows the nearest candidates.
"""

from __future__ import annotations

from shared.contracts.public import OperatingPoint, PointThresholds
from shared.errors import NoOperatingPoint

NEVER = 1.0
"""The threshold that the API reports for `investigation`. This point never identifies, not even at confidence 1."""


def point_threshold(point: OperatingPoint, standard: float, strict: float | None) -> float | None:
    """Return the confidence (0 to 1) that identifies at a point; None never identifies.

    `strict` is the model's threshold (0 to 1). The point `strict` raises NoOperatingPoint if the model has none (None).
    It never returns less than `standard`, which an operator may raise.
    """
    if point == "investigation":
        return None
    if point == "standard":
        return standard
    if strict is None:
        raise NoOperatingPoint
    return max(strict, standard)


def point_thresholds(standard: float, strict: float | None) -> PointThresholds:
    """Return the thresholds of all points for the API; arguments as in `point_threshold`."""
    return PointThresholds(
        strict=None if strict is None else point_threshold("strict", standard, strict),
        standard=standard,
        investigation=NEVER,
    )
