"""Operating points: the same probabilities, read with other thresholds. One place for gateway and evaluation.

`standard` is the registry's threshold of the modality. `strict` is the model's own, chosen on validation subjects so
that few strangers reach it (`training.calibration.strict_threshold`). `investigation` identifies nobody and always
shows the nearest.
"""

from __future__ import annotations

from shared.contracts.public import OperatingPoint, PointThresholds
from shared.errors import NoOperatingPoint

NOBODY = 1.0
"""What is told as the threshold of `investigation`, although no confidence identifies there, not even 1."""


def point_threshold(point: OperatingPoint, standard: float, strict: float | None) -> float | None:
    """The confidence (0-1) that identifies at a point, for `shared.identification.decision`; None identifies nobody.

    `strict` (0-1) is the model's, None where it has none: then the point of that name is NoOperatingPoint.
    It is never laxer than `standard`, which an operator may raise.
    """
    if point == "investigation":
        return None
    if point == "standard":
        return standard
    if strict is None:
        raise NoOperatingPoint
    return max(strict, standard)


def point_thresholds(standard: float, strict: float | None) -> PointThresholds:
    """All points of a modality, as the API tells them; arguments as above."""
    return PointThresholds(
        strict=None if strict is None else point_threshold("strict", standard, strict),
        standard=standard,
        investigation=NOBODY,
    )
