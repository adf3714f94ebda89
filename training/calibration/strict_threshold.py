"""The threshold of the operating point `strict`, which 0.3 % of strangers reach, chosen on validation subjects.

Every validation probe is searched with its patient enrolled, and without, as a stranger. People with a single image are
strangers too. With a thousand strangers, `strict` is the threshold that 0.3 % of them reach. With fewer (rule of three:
0 of n still allows 3 / n), it is extrapolated through the calibrated probability: each probe is a stranger with its
probability of `unknown`, so

    FPIR(t) = sum of unknown over the probes with confidence >= t / sum of unknown over all probes,

which uses the confident probes of enrolled patients as well. The stricter of both is taken. It depends on the
calibration, fitted on the same subjects, and on the size of the validation gallery. So it belongs to one network with
one calibration, and is stored beside them in `model.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared.identification.calibration import log_likelihood_ratios, normalise_cosines
from shared.keypoints.verification import VERIFIED_CANDIDATES
from shared.models.manifest import Calibration, OperatingPoints
from training.calibration.posterior_eval import Array, CalibratedPosterior, answer
from training.engine.validation import TrackScores

STRICT_FPIR = 0.003
COUNTED_FROM = 1000
"""Strangers from which on 0.3 % can be counted. With fewer the threshold is extrapolated."""
DECIMALS = 4


def choose_points(tracks: Sequence[TrackScores], calibration: Calibration) -> OperatingPoints | None:
    """Return the operating points from the tracks of validation subjects; None if no track has two people."""
    usable = [track for track in tracks if len(track.subjects) > 1]
    if not usable:
        return None
    threshold, origin = strict_threshold(usable, calibration)
    return OperatingPoints(strict=threshold, strict_origin=origin)


def strict_threshold(tracks: Sequence[TrackScores], calibration: Calibration) -> tuple[float, str]:
    """Return the lowest confidence that at most 0.3 % of strangers reach, rounded up, and its origin in words.

    Every track needs two subjects or more.
    """
    method = CalibratedPosterior(calibration)
    outside = [track.outsiders for track in tracks if track.outsiders]
    strangers = [answer(_ratios(without_patients(asked), calibration), method) for asked in (*tracks, *outside)]
    tops = np.concatenate([one.confidence for one in strangers])
    counted = _counted(tops)
    if len(tops) >= COUNTED_FROM:
        return _rounded_up(counted), f"{len(tops)} validation strangers"
    asked = [answer(_ratios(track, calibration), method) for track in tracks]
    both = [*asked, *strangers]
    estimated = _extrapolated(np.concatenate([a.confidence for a in both]), np.concatenate([a.unknown for a in both]))
    origin = f"{len(tops)} validation strangers, extrapolated through the calibrated probability"
    return _rounded_up(max(counted, estimated)), origin


def without_patients(track: TrackScores) -> TrackScores:
    """Remove each query's own subject from its gallery: columns are the others, truth is -1.

    Simulated queries are replaced by their originals.
    """
    track = track.strangers or track
    agreeing = None if track.agreeing is None else _without_own(track.agreeing, track.truth)
    similarities = _without_own(track.similarities, track.truth)
    return replace(track, truth=np.full_like(track.truth, -1), similarities=similarities, agreeing=agreeing)


def _without_own(values: NDArray[np.float32], truth: NDArray[np.intp]) -> NDArray[np.float32]:
    return np.stack([np.delete(row, own) for row, own in zip(values, truth, strict=True)])


def _ratios(track: TrackScores, calibration: Calibration) -> Array:
    """Return log likelihood ratios. As in service, only keypoints of the nearest people count."""
    similarities = normalise_cosines(track.similarities, track.levels, calibration)
    if track.agreeing is None:
        return log_likelihood_ratios(similarities, np.zeros_like(similarities), calibration)
    ranks = np.argsort(np.argsort(-similarities, axis=1, kind="stable"), axis=1)
    return log_likelihood_ratios(similarities, np.where(ranks < VERIFIED_CANDIDATES, track.agreeing, 0.0), calibration)


def _counted(tops: Array) -> float:
    """Return the confidence just above that of the first stranger beyond 0.3 %."""
    return float(np.nextafter(np.sort(tops)[::-1][int(STRICT_FPIR * len(tops))], 1.0))


def _extrapolated(confidence: Array, unknown: Array) -> float:
    order = np.argsort(-confidence)
    shares = np.cumsum(unknown[order]) / max(float(unknown.sum()), 1e-12)
    passing = int(np.searchsorted(shares, STRICT_FPIR, "right"))
    return float(np.nextafter(confidence[order][min(passing, len(order) - 1)], 1.0))


def _rounded_up(threshold: float) -> float:
    """Round up, so that the printed figure is not laxer than the chosen one; keep it if that gives 1."""
    rounded = round(float(np.ceil(threshold * 10**DECIMALS)) / 10**DECIMALS, DECIMALS)
    return rounded if rounded < 1 else threshold
