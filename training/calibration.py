"""Fitting the posterior of `shared.identification.calibration` on validation subjects.

Each probe is asked twice of galleries of several sizes: once with its own patient enrolled and once without, when it is
a stranger. The parameters maximise the likelihood of the right answer (the patient, or unknown).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from shared.models.folder import Calibration
from training.validation import Scored

GALLERY_SIZES = (5, 10, 20, 50, 100, 200, 500)
STRANGER_PRIOR = 0.5
"""Share of strangers among the probes that the calibration is fitted for: the loss is weighted to it."""

PULL = 0.02
"""Weight of the prior that odds of a stranger grow with the gallery as Bayes' rule says: small validation sets cannot
tell."""


@dataclass(frozen=True)
class Trial:
    """One question: similarities of the enrolled patients, and which of them is right (-1: nobody)."""

    similarities: NDArray[np.float64]
    answer: int


def draw_trials(tracks: Sequence[Scored], rng: np.random.Generator, draws: int = 2) -> list[list[Trial]]:
    """Trials per track; galleries are random subsets of the track's subjects, of all sizes that it has."""
    return [[trial for _ in range(draws) for trial in _track_trials(track, rng)] for track in tracks]


def _track_trials(track: Scored, rng: np.random.Generator) -> list[Trial]:
    count = len(track.subjects)
    sizes = [*(s for s in GALLERY_SIZES if s < count), count]
    trials = []
    for scores, truth in zip(track.similarities.astype(np.float64), track.truth, strict=True):
        others = np.delete(np.arange(count), truth)
        size = int(rng.choice(sizes))
        impostors = scores[rng.choice(others, min(size, count) - 1, replace=False)]
        trials.append(Trial(np.append(impostors, scores[truth]), len(impostors)))
        if len(impostors):
            trials.append(Trial(impostors, -1))
    return trials


def fit_calibration(tracks: Sequence[Scored], seed: int) -> Calibration:
    """Scale, offset and size exponent with the greatest likelihood; every track counts the same, however large."""
    groups = draw_trials(tracks, np.random.default_rng(seed))

    def loss(parameters: NDArray[np.float64]) -> float:
        return float(np.mean([_loss(trials, parameters) for trials in groups])) + PULL * float((parameters[2] - 1) ** 2)

    start = np.array([np.log(20.0), -8.0, 1.0])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 2000, "xatol": 1e-3, "fatol": 1e-6}).x
    return Calibration(scale=float(np.exp(found[0])), offset=float(found[1]), size_exponent=float(max(found[2], 0.0)))


def _loss(trials: Sequence[Trial], parameters: NDArray[np.float64]) -> float:
    losses, weights = zip(*(_trial_loss(trial, parameters) for trial in trials), strict=True)
    return float(np.average(losses, weights=weights))


def _trial_loss(trial: Trial, parameters: NDArray[np.float64]) -> tuple[float, float]:
    log_scale, offset, exponent = parameters
    logits = np.exp(log_scale) * trial.similarities + offset - exponent * np.log(len(trial.similarities))
    logits = np.append(logits, 0.0)  # the last is unknown, so that answer -1 points at it
    loss = np.logaddexp.reduce(logits) - logits[trial.answer]
    return float(loss), STRANGER_PRIOR if trial.answer < 0 else 1.0 - STRANGER_PRIOR
