"""Operating points: the same probabilities, read with other thresholds. They are chosen on validation subjects.

`standard` is the registry's threshold. `strict` identifies at most 0.3 % of strangers. `investigation` identifies
nobody by itself and always shows the three nearest.

Every validation probe is asked twice: with its patient enrolled, and without, when it is a stranger. Where a thousand
strangers stand behind it, `strict` is the threshold that 0.3 % of them pass. With fewer (the rule of three: nothing
seen in n trials still allows 3 / n) the share is extrapolated through the calibrated probability: each probe, whoever
it is, is a stranger with the probability of `unknown` that it was given, so

    FPIR(t) = sum of unknown over the probes with confidence >= t / sum of unknown over all probes,

which uses the confident probes of enrolled patients as well. The stricter of both is taken. It leans on the
calibration, whose parameters come from the same subjects, and on galleries of the size of the validation part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.bootstrap import Array, Interval
from training.evaluation.decisions import Posterior, answer
from training.evaluation.metrics import Scores

STRICT_FPIR = 0.003
ENOUGH = 1000
"""Strangers behind whom a share of 0.3 % is a count and not a guess."""
DECIMALS = 4
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


def operating_points(validation: Sequence[Scores], method: Posterior, standard: float) -> list[OperatingPoint]:
    """The three points of one modality; `validation` holds its validation tracks (queries alone)."""
    threshold, origin = strict_threshold(validation, method)
    return [
        OperatingPoint("strict", max(threshold, standard), origin),
        OperatingPoint("standard", standard, "registry"),
        OperatingPoint("investigation", None, "the three nearest, always"),
    ]


def strict_threshold(validation: Sequence[Scores], method: Posterior) -> tuple[float, str]:
    """The lowest confidence that at most 0.3 % of strangers reach, rounded up, and how it was found."""
    asked = [answer(one.queries, method) for one in validation]
    strangers = [answer(without_patients(one), method) for one in validation if one.queries.shape[1] > 1]
    if not strangers:
        raise ValueError("operating points need validation tracks with two patients or more")
    tops = np.concatenate([one.confidence for one in strangers])
    counted = _counted(tops)
    if len(tops) >= ENOUGH:
        return _rounded_up(counted), f"{len(tops)} validation strangers"
    both = [*asked, *strangers]
    estimated = _extrapolated(np.concatenate([a.confidence for a in both]), np.concatenate([a.unknown for a in both]))
    origin = f"{len(tops)} validation strangers, extrapolated through the calibrated probability"
    return _rounded_up(max(counted, estimated)), origin


def without_patients(scores: Scores) -> Array:
    """Float (queries, subjects - 1): every query asked of a gallery that lacks its own subject."""
    return np.stack([np.delete(row, own) for row, own in zip(scores.queries, scores.truth, strict=True)])


def _counted(tops: Array) -> float:
    """Just over the first stranger who may not pass."""
    return float(np.nextafter(np.sort(tops)[::-1][int(STRICT_FPIR * len(tops))], 1.0))


def _extrapolated(confidence: Array, unknown: Array) -> float:
    order = np.argsort(-confidence)
    shares = np.cumsum(unknown[order]) / max(float(unknown.sum()), 1e-12)
    passing = int(np.searchsorted(shares, STRICT_FPIR, "right"))
    return float(np.nextafter(confidence[order][min(passing, len(order) - 1)], 1.0))


def _rounded_up(threshold: float) -> float:
    """Rounded up, so that the printed figure is not laxer than the chosen one; as it is where only 1 is left."""
    rounded = round(float(np.ceil(threshold * 10**DECIMALS)) / 10**DECIMALS, DECIMALS)
    return rounded if rounded < 1 else threshold


def point_figures(scores: Scores, method: Posterior, point: OperatingPoint, seed: int = 0) -> PointFigures:
    """What the point does on a track."""
    asked, strangers = answer(scores.queries, method), answer(scores.impostors, method)
    drawn, drawn_strangers = scores.draws(seed)
    never = point.threshold is None
    threshold = 2.0 if point.threshold is None else point.threshold
    outcome, theirs = asked.outcomes(threshold), strangers.outcomes(threshold)
    right, listed = asked.first == scores.truth, (outcome == "candidates") | never
    named = ((outcome == "identified") & right) | (listed & (scores.ranks <= SHOWN))
    return PointFigures(
        name=point.name,
        threshold=point.threshold,
        identified_rightly=drawn.mean((outcome == "identified") & right),
        identified_wrongly=drawn.mean((outcome == "identified") & ~right),
        patient_shown=drawn.mean(named),
        impostors_identified=drawn_strangers.mean(theirs == "identified") if len(theirs) else None,
        impostors_shown=drawn_strangers.mean((theirs != "unknown") | never) if len(theirs) else None,
    )
