"""Fit the posterior of `shared.identification.calibration` on validation subjects.

Each probe is searched twice in galleries of several sizes: with its own patient enrolled, and without, as a stranger.
People with a single image are strangers only. The parameters maximise the likelihood of the right answer (the patient,
or unknown).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import bisect, minimize
from scipy.stats import beta

from shared.identification.calibration import log_likelihood_ratios, normalise_cosines, rival_shift
from shared.keypoints.verification import VERIFIED_CANDIDATES
from shared.models.manifest import Calibration
from training.engine.validation import TrackScores

GALLERY_SIZES = (5, 10, 20, 50, 100, 200, 500)
STRANGER_PRIOR = 0.5
"""Fraction of strangers among the probes: the loss is weighted to it."""

SIZE_EXPONENT_PENALTY = 0.1
"""Weight of the prior that the odds of a stranger grow with the gallery by Bayes' rule. Validation galleries are too
small to show large ones."""
KEYPOINT_PENALTY = 0.02
"""Weight of the prior on `WORTH` and `CHANCE`. If few patients are all told apart, the likelihood alone would give
keypoints any worth."""
WORTH, CHANCE = 3.0, 8.0
"""Prior worth of agreeing keypoints, and the weight up to which they agree by chance."""
START = Calibration(scale=20.0, offset=-8.0, size_exponent=1.0, keypoint_worth=WORTH, keypoint_chance=CHANCE)
GLOBAL, LOCAL = ("scale", "offset", "size_exponent"), ("keypoint_worth", "keypoint_chance")
LOGARITHMIC = ("scale", "similarity_limit", *LOCAL)
"""Positive parameters, fitted by their logarithm."""
NORMALISATION = 0.2
"""Initial weights of cohort and rivals."""
LIMIT = 12.0
"""Initial cap of the log likelihood ratio of a cosine: that of a cosine of 0.6 at the initial scale."""
FIT_TRIALS, LIMIT_TRIALS = 1000, 5000
"""Trials of a track for the likelihood, and for the limits with each gallery size. A few probes are searched in more
galleries each, so that chance does not decide."""
MOST_LOWERED = 10.0
"""Log likelihood ratio by which limits may lower the offset."""
CONFIDENCE_LEVEL = 0.95
"""Confidence of the Clopper-Pearson bounds."""


@dataclass(frozen=True)
class Limits:
    """Fractions (0-1) of validation subjects that may reach a threshold falsely, on any track and gallery size.

    `strangers` is of strangers, `wrong` of patients under a wrong name. With `clopper_pearson` so few may that
    new people keep the limits with 95 % confidence.
    """

    threshold: float
    strangers: float = 0.02
    wrong: float = 0.01
    clopper_pearson: bool = False

    def halved(self) -> Limits:
        """Return half of both limits, for data that differs less than real images do."""
        return replace(self, strangers=self.strangers / 2, wrong=self.wrong / 2)

    def allowed(self, most: float, people: int) -> float:
        """Return the fraction of validation subjects that may be mistaken if `most` of new people may.

        With `clopper_pearson` it follows from the exact one-sided bound of a fraction (Clopper & Pearson, Biometrika
        1934), and is 0 for too few people. Images of one person are not independent, so people count.
        """
        if not self.clopper_pearson:
            return most

        def surplus(share: float) -> float:
            return float(beta.ppf(CONFIDENCE_LEVEL, share * people + 1, (1 - share) * people)) - most

        return 0.0 if surplus(0.0) >= 0 else float(bisect(surplus, 0.0, most))


@dataclass(frozen=True)
class Trials:
    """Searches of one track, float64 (trials, subjects): one row per probe and gallery.

    `levels`: float64 (trials,), the cosine of the probe to the cohort; None without one.
    `agreeing`: weights of agreeing keypoints.
    `enrolled`: bool, the subjects in the row's gallery.
    `answer`: int (trials,), the column of the probe's subject, or -1 for a stranger.
    """

    similarities: NDArray[np.float64]
    levels: NDArray[np.float64] | None
    agreeing: NDArray[np.float64]
    enrolled: NDArray[np.bool_]
    answer: NDArray[np.intp]

    def strangers(self) -> Trials:
        """Return the trials of strangers."""
        rows = self.answer < 0
        levels = None if self.levels is None else self.levels[rows]
        return Trials(self.similarities[rows], levels, self.agreeing[rows], self.enrolled[rows], self.answer[rows])

    def by_keypoints(self) -> Trials:
        """Return the trials with uninformative embeddings."""
        return replace(self, similarities=np.zeros_like(self.similarities), levels=None)


def draw_trials(tracks: Sequence[TrackScores], rng: np.random.Generator) -> list[Trials]:
    """Draw the trials of each track. Galleries are random subsets of its subjects, of all sizes up to theirs."""
    return [_track_trials(track, rng) for track in tracks]


def _track_trials(track: TrackScores, rng: np.random.Generator) -> Trials:
    count = len(track.subjects)
    probes = _repeated(track, FIT_TRIALS)
    enrolled = np.stack([_gallery(count, own, _size(count, rng), rng) for own in track.truth[probes].tolist()])
    known = _trials(track, probes, enrolled, track.truth[probes])
    strangers = [_stranger_trials(track.strangers or track, probes, enrolled)]
    if track.outsiders:
        probes = _as_often(track.outsiders, track, probes)
        own = track.outsiders.truth[probes].tolist()
        enrolled = np.stack([_gallery(count, one, _size(count, rng), rng) for one in own])
        strangers.append(_stranger_trials(track.outsiders, probes, enrolled))
    return _joined(known, *strangers)


def _stranger_trials(track: TrackScores, probes: NDArray[np.intp], enrolled: NDArray[np.bool_]) -> Trials:
    """Return trials without the probes' own patients, if others are enrolled."""
    without = enrolled.copy()
    without[np.arange(len(probes)), track.truth[probes]] = False
    asked = without.any(axis=1)
    return _trials(track, probes[asked], without[asked], np.full(int(asked.sum()), -1))


def _trials(
    track: TrackScores, probes: NDArray[np.intp], enrolled: NDArray[np.bool_], answer: NDArray[np.intp]
) -> Trials:
    """Return a trial of each probe and gallery. As in service, only keypoints of the nearest subjects count."""
    similarities = track.similarities[probes].astype(np.float64)
    agreeing = np.zeros_like(similarities) if track.agreeing is None else track.agreeing[probes].astype(np.float64)
    verified = _nearest(np.where(enrolled, similarities, -np.inf), VERIFIED_CANDIDATES)
    levels = None if track.levels is None else track.levels[probes].astype(np.float64)
    return Trials(similarities, levels, agreeing * verified, enrolled, answer)


def _trials_of_size(track: TrackScores, size: int, rng: np.random.Generator) -> tuple[Trials, Trials]:
    """Return trials in galleries of `size` others: of strangers, and of patients who are enrolled as well."""

    def galleries(asked: TrackScores, probes: NDArray[np.intp]) -> NDArray[np.bool_]:
        return np.stack([_gallery(len(track.subjects), own, size + 1, rng) for own in asked.truth[probes].tolist()])

    probes = _repeated(track, LIMIT_TRIALS)
    enrolled = galleries(track, probes)
    strangers = [_stranger_trials(track.strangers or track, probes, enrolled)]
    if track.outsiders:
        others = _as_often(track.outsiders, track, probes)
        strangers.append(_stranger_trials(track.outsiders, others, galleries(track.outsiders, others)))
    return _joined(*strangers), _trials(track, probes, enrolled, track.truth[probes])


def _people(track: TrackScores) -> tuple[int, int]:
    """Return the number of strangers and of patients."""
    patients = set(track.truth.tolist())
    outsiders = set(track.outsiders.truth.tolist()) if track.outsiders else set[int]()
    return len(patients | outsiders), len(patients)


def _repeated(track: TrackScores, trials: int) -> NDArray[np.intp]:
    """Repeat every probe to make at least `trials`, and at least twice."""
    count = len(track.truth)
    return np.repeat(np.arange(count), max(2, -(-trials // max(count, 1))))


def _as_often(track: TrackScores, other: TrackScores, probes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return every probe of `track`, repeated as often as each probe of `other` is in `probes`."""
    return np.repeat(np.arange(len(track.truth)), len(probes) // len(other.truth))


def _joined(*parts: Trials) -> Trials:
    levels = [part.levels for part in parts if part.levels is not None]
    return Trials(
        np.concatenate([part.similarities for part in parts]),
        np.concatenate(levels) if levels else None,
        np.concatenate([part.agreeing for part in parts]),
        np.concatenate([part.enrolled for part in parts]),
        np.concatenate([part.answer for part in parts]),
    )


def _size(count: int, rng: np.random.Generator) -> int:
    return int(rng.choice([*(s for s in GALLERY_SIZES if s < count), count]))


def _gallery(count: int, own: int, size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw a gallery, bool (count,): `own` and others, `size` in all."""
    others = np.delete(np.arange(count), own)
    gallery = np.zeros(count, bool)
    gallery[[own, *rng.choice(others, size - 1, replace=False)]] = True
    return gallery


def _nearest(similarities: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """Mark the `count` largest of each row."""
    if similarities.shape[1] <= count:
        return np.ones(similarities.shape, bool)
    least = np.partition(similarities, -count, axis=1)[:, -count, np.newaxis]
    return np.asarray(similarities >= least)


def fit_calibration(
    tracks: Sequence[TrackScores],
    seed: int,
    simulated: Sequence[TrackScores] = (),
    limits: Limits | None = None,
    *,
    cap_cosine_llr: bool = False,
) -> Calibration:
    """Return the parameters with the greatest likelihood; every track has the same weight.

    Args:
        tracks: scores of validation subjects.
        seed: of the drawn galleries.
        simulated: tracks of simulated repeat shots. They tell the worth of keypoints and nothing about embeddings: a
            simulated image is nearer to its original than a real one. Worth and chance of keypoints are fitted on
            them and on strangers of `tracks`, with uninformative embeddings, and kept. Real images of a patient then
            show another surface, so the offset of that fit is the prior odds of a repeat shot.
        limits: limits of false identifications. The offset is lowered until they are kept: one likelihood over several
            tracks and all gallery sizes may be too confident for one of them.
        cap_cosine_llr: fit a cap of the log likelihood ratio of a cosine.
    """
    rng = np.random.default_rng(seed)
    groups = draw_trials(tracks, rng)
    start, free = START.model_copy(update={"keypoint_worth": 0.0}), list(GLOBAL)
    if simulated:
        local_groups = [*draw_trials(simulated, rng), *(trials.strangers() for trials in groups)]
        local = _fit([trials.by_keypoints() for trials in local_groups], START, (*GLOBAL, *LOCAL))
        begin = {**START.model_dump(include=set(GLOBAL)), "repeat_offset": local.offset}
        start = local.model_copy(update=begin)
    elif any(track.agreeing is not None for track in tracks):
        start, free = START, [*GLOBAL, *LOCAL]
    fitted = _fit(groups, start, free)
    if levels := [trials.levels.mean() for trials in groups if trials.levels is not None]:
        free.append("cohort_weight")
        start = fitted.model_copy(update={"cohort_weight": NORMALISATION, "cohort_level": float(np.mean(levels))})
        fitted = _fit(groups, start, free)
    free.append("rival_weight")
    start = fitted.model_copy(update={"rival_weight": NORMALISATION, "rival_level": _level(groups, fitted)})
    fitted = _fit(groups, start, free)
    if cap_cosine_llr:
        fitted = _fit(groups, fitted.model_copy(update={"similarity_limit": LIMIT}), (*free, "similarity_limit"))
    return fitted if limits is None else keep_limits(tracks, fitted, limits, rng)


def keep_limits(
    tracks: Sequence[TrackScores], calibration: Calibration, limits: Limits, rng: np.random.Generator
) -> Calibration:
    """Lower the offset as little as keeps false identifications within the limits, on every track and gallery size.

    All folds of a track count together.
    """
    shares = {"strangers": limits.strangers, "wrong": limits.wrong}
    searches: dict[tuple[str, str, int], list[Trials]] = {}
    people: Counter[tuple[str, str]] = Counter()
    for track in tracks:
        name, others = track.track.split(", fold ")[0], len(track.subjects) - 1
        people.update({(name, who): count for who, count in zip(shares, _people(track), strict=True)})
        for size in [size for size in GALLERY_SIZES if size <= others] or [others] * (others > 0):
            for who, trials in zip(shares, _trials_of_size(track, size, rng), strict=True):
                searches.setdefault((name, who, size), []).append(trials)
    allowed = {(name, who): limits.allowed(shares[who], count) for (name, who), count in people.items()}

    def lowered(by: float) -> Calibration:
        return calibration.model_copy(update={"offset": calibration.offset - by})

    def excess(by: float) -> float:
        surplus = [
            _mistaken(asked, lowered(by), limits.threshold) - allowed[name, who]
            for (name, who, _), asked in searches.items()
        ]
        return max(surplus, default=0.0)

    if excess(0.0) <= 0:
        return calibration
    if excess(MOST_LOWERED) > 0:
        return lowered(MOST_LOWERED)
    # fractions change in steps, so take the far end of the last interval, which keeps the limits
    found = bisect(lambda by: excess(by) or -1.0, 0.0, MOST_LOWERED, xtol=0.01)
    return lowered(found + 0.01)


def _mistaken(asked: Sequence[Trials], calibration: Calibration, threshold: float) -> float:
    """Return the fraction of probes that are identified as another person."""
    mistaken = []
    for trials in asked:
        logits = _logits(trials, calibration)
        first = logits[:, :-1].argmax(axis=1)
        confidence = np.exp(logits[np.arange(len(logits)), first] - np.logaddexp.reduce(logits, axis=1))
        mistaken.append((confidence >= threshold) & (first != trials.answer))
    return float(np.mean(np.concatenate(mistaken)))


def _level(groups: Sequence[Trials], calibration: Calibration) -> float:
    """Return the mean similarity of the subjects behind the first to a probe."""
    unit = calibration.model_copy(update={"rival_weight": 1.0, "rival_level": 0.0})
    return float(np.mean([np.mean(rival_shift(_ratios(trials, calibration), unit)) for trials in groups]))


def _fit(groups: Sequence[Trials], start: Calibration, free: Sequence[str]) -> Calibration:
    """Return the calibration of greatest likelihood. Parameters that are not `free` keep their values in `start`."""

    def at(values: NDArray[np.float64]) -> Calibration:
        return start.model_copy(
            update={name: _parameter(name, value) for name, value in zip(free, values, strict=True)}
        )

    def loss(values: NDArray[np.float64]) -> float:
        calibration = at(values)
        penalty = SIZE_EXPONENT_PENALTY * (calibration.size_exponent - 1) ** 2
        if calibration.keypoint_worth:
            penalty += KEYPOINT_PENALTY * np.log(calibration.keypoint_worth / WORTH) ** 2
            penalty += KEYPOINT_PENALTY * np.log(calibration.keypoint_chance / CHANCE) ** 2
        return float(np.mean([_loss(trials, calibration) for trials in groups]) + penalty)

    begin = [np.log(getattr(start, name)) if name in LOGARITHMIC else getattr(start, name) for name in free]
    return at(minimize(loss, np.array(begin), method="BFGS", options={"gtol": 1e-4}).x)


def _parameter(name: str, value: float) -> float:
    """Return the parameter of an unbounded number."""
    if name in LOGARITHMIC:
        return float(np.exp(np.clip(value, -20, 20)))
    return float(value if name == "offset" else max(value, 0.0))


def _ratios(trials: Trials, calibration: Calibration) -> NDArray[np.float64]:
    """Return log likelihood ratios, -inf for subjects who are not enrolled."""
    similarities = normalise_cosines(trials.similarities, trials.levels, calibration)
    return np.where(trials.enrolled, log_likelihood_ratios(similarities, trials.agreeing, calibration), -np.inf)


def _logits(trials: Trials, calibration: Calibration) -> NDArray[np.float64]:
    """Return log odds against unknown, float (trials, subjects + 1). The last column, answer -1, is unknown."""
    ratios = _ratios(trials, calibration)
    logits = ratios - rival_shift(ratios, calibration)
    logits = logits - calibration.size_exponent * np.log(trials.enrolled.sum(axis=1, keepdims=True))
    return np.column_stack([logits, np.zeros(len(logits))])


def _loss(trials: Trials, calibration: Calibration) -> float:
    """Return the mean negative log likelihood of the right answers, strangers weighted by their prior."""
    logits = _logits(trials, calibration)
    losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(logits)), trials.answer]
    weights = np.where(trials.answer < 0, STRANGER_PRIOR, 1.0 - STRANGER_PRIOR)
    return float(np.average(losses, weights=weights))
