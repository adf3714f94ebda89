"""The threshold of the operating point `strict`: that 0.3 % of strangers reach. It is chosen on validation subjects.

Every validation probe is asked twice: with its patient enrolled, and without, when it is a stranger; so are people with
a single picture. Where a thousand strangers stand behind it, `strict` is the threshold that 0.3 % of them pass. With
fewer (the rule of three: nothing seen in n trials still allows 3 / n) the share is extrapolated through the calibrated
probability: each probe, whoever it is, is a stranger with the probability of `unknown` that it was given, so

    FPIR(t) = sum of unknown over the probes with confidence >= t / sum of unknown over all probes,

which uses the confident probes of enrolled patients as well. The stricter of both is taken. It leans on the
calibration, whose parameters come from the same subjects, and on galleries of the size of the validation part. So it
belongs to one network with one calibration, and lies beside them in `model.json`.
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
from training.engine.validation import Scored

STRICT_FPIR = 0.003
ENOUGH = 1000
"""Strangers behind whom a share of 0.3 % is a count and not a guess."""
DECIMALS = 4


def choose_points(tracks: Sequence[Scored], calibration: Calibration) -> OperatingPoints | None:
    """For `model.json`, from the tracks of validation subjects; None where no track has two people to confuse."""
    usable = [track for track in tracks if len(track.subjects) > 1]
    if not usable:
        return None
    threshold, origin = strict_threshold(usable, calibration)
    return OperatingPoints(strict=threshold, strict_origin=origin)


def strict_threshold(tracks: Sequence[Scored], calibration: Calibration) -> tuple[float, str]:
    """The lowest confidence that at most 0.3 % of strangers reach, rounded up, and how it was found.

    Every track needs two subjects or more.
    """
    method = CalibratedPosterior(calibration)
    outside = [track.outsiders for track in tracks if track.outsiders]
    strangers = [answer(_ratios(without_patients(asked), calibration), method) for asked in (*tracks, *outside)]
    tops = np.concatenate([one.confidence for one in strangers])
    counted = _counted(tops)
    if len(tops) >= ENOUGH:
        return _rounded_up(counted), f"{len(tops)} validation strangers"
    asked = [answer(_ratios(track, calibration), method) for track in tracks]
    both = [*asked, *strangers]
    estimated = _extrapolated(np.concatenate([a.confidence for a in both]), np.concatenate([a.unknown for a in both]))
    origin = f"{len(tops)} validation strangers, extrapolated through the calibrated probability"
    return _rounded_up(max(counted, estimated)), origin


def without_patients(track: Scored) -> Scored:
    """Every query asked of a gallery that lacks its subject: columns are the others, truth is -1.

    Where queries are made pictures, those that they are made of are asked.
    """
    track = track.strangers or track
    agreeing = None if track.agreeing is None else _without_own(track.agreeing, track.truth)
    similarities = _without_own(track.similarities, track.truth)
    return replace(track, truth=np.full_like(track.truth, -1), similarities=similarities, agreeing=agreeing)


def _without_own(values: NDArray[np.float32], truth: NDArray[np.intp]) -> NDArray[np.float32]:
    return np.stack([np.delete(row, own) for row, own in zip(values, truth, strict=True)])


def _ratios(track: Scored, calibration: Calibration) -> Array:
    """Log likelihood ratios; as in service, keypoints are compared with the nearest people alone."""
    similarities = normalise_cosines(track.similarities, track.levels, calibration)
    if track.agreeing is None:
        return log_likelihood_ratios(similarities, np.zeros_like(similarities), calibration)
    ranks = np.argsort(np.argsort(-similarities, axis=1, kind="stable"), axis=1)
    return log_likelihood_ratios(similarities, np.where(ranks < VERIFIED_CANDIDATES, track.agreeing, 0.0), calibration)


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
