"""Operating points: the same probabilities, read with the other thresholds that serve.

`shared.identification.operating_points` defines them; `training.calibration.strict_threshold` chooses the strict one.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.identification.operating_points import point_threshold
from shared.models.manifest import OperatingPoints
from training.calibration.posterior_eval import Posterior, answer
from training.evaluation.bootstrap import Interval
from training.evaluation.recognition_metrics import Scores

SHOWN = 3


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold with where it comes from; None identifies nobody."""

    name: str
    threshold: float | None
    origin: str


@dataclass(frozen=True)
class PointFigures:
    """What a point does on a track, as shares of queries or of strangers' pictures.

    Shown: the patient is named, alone or among the candidates.
    """

    name: str
    threshold: float | None
    identified_rightly: Interval
    identified_wrongly: Interval
    patient_shown: Interval
    impostors_identified: Interval | None
    impostors_shown: Interval | None


def operating_points(model: OperatingPoints | None, standard: float) -> list[OperatingPoint]:
    """The points of one modality as it ships; without `strict` where the model has none."""
    points = [
        OperatingPoint("standard", standard, "registry"),
        OperatingPoint("investigation", None, "the three nearest, always"),
    ]
    if model is None:
        return points
    return [OperatingPoint("strict", point_threshold("strict", standard, model.strict), model.strict_origin), *points]


def point_figures(scores: Scores, method: Posterior, point: OperatingPoint, seed: int = 0) -> PointFigures:
    """What the point does on a track."""
    asked, strangers = answer(scores.queries, method), answer(scores.impostors, method)
    drawn, drawn_strangers = scores.draws(seed)
    outcome, theirs = asked.outcomes(point.threshold), strangers.outcomes(point.threshold)
    right = asked.first == scores.truth
    named = ((outcome == "identified") & right) | ((outcome == "candidates") & (scores.ranks <= SHOWN))
    return PointFigures(
        name=point.name,
        threshold=point.threshold,
        identified_rightly=drawn.mean((outcome == "identified") & right),
        identified_wrongly=drawn.mean((outcome == "identified") & ~right),
        patient_shown=drawn.mean(named),
        impostors_identified=drawn_strangers.mean(theirs == "identified") if len(theirs) else None,
        impostors_shown=drawn_strangers.mean(theirs != "unknown") if len(theirs) else None,
    )
