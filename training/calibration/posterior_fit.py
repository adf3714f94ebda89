"""Fitting the posterior of `shared.identification.calibration` on validation subjects.

Each probe is asked twice of galleries of several sizes: once with its own patient enrolled and once without, when it is
a stranger; whoever has a single picture is asked as a stranger alone. The parameters maximise the likelihood of the
right answer (the patient, or unknown).
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
from training.engine.validation import Scored

GALLERY_SIZES = (5, 10, 20, 50, 100, 200, 500)
STRANGER_PRIOR = 0.5
"""Share of strangers among the probes that the calibration is fitted for: the loss is weighted to it."""

GROWTH_PULL = 0.1
"""Weight of the prior that odds of a stranger grow with the gallery as Bayes' rule says: validation galleries are too
small to tell what happens in large ones."""
LOCAL_PULL = 0.02
"""Weight of the prior that keypoints are worth `WORTH`, and agree by chance up to a weight of `CHANCE`: where few
patients are all told apart, the likelihood alone would make them worth any amount."""
WORTH, CHANCE = 3.0, 8.0
START = Calibration(scale=20.0, offset=-8.0, size_exponent=1.0, keypoint_worth=WORTH, keypoint_chance=CHANCE)
GLOBAL, LOCAL = ("scale", "offset", "size_exponent"), ("keypoint_worth", "keypoint_chance")
LOGARITHMIC = ("scale", "similarity_limit", *LOCAL)
"""Parameters that are positive, and are searched for by their logarithm."""
NORMALISATION = 0.2
"""Where the weights of cohort and rivals start."""
LIMIT = 12.0
"""Where the limit of what cosines say starts: a cosine of 0.6 at the scale where that starts."""
TRIALS, CAUTIOUS_TRIALS = 1000, 5000
"""Questions that are drawn of a track, for the likelihood and for caution in galleries of one size; where probes are
few, each is asked of more galleries, so that chance does not decide what is fitted."""
MOST_CAUTION = 10.0
"""Log likelihood ratio by which caution may lower the offset."""
SURE = 0.95
"""How sure validation subjects make that new people keep to limits which are to be shown."""


@dataclass(frozen=True)
class Limits:
    """Shares that may reach a threshold (0-1) on any track of validation subjects, in galleries of any size.

    `strangers` is of strangers, `wrong` of patients who are taken for somebody else: what is asked of new people. Where
    it is to be `shown`, fewer may: so few that as many validation subjects make it 95 % sure.
    """

    threshold: float
    strangers: float = 0.02
    wrong: float = 0.01
    shown: bool = False

    def halved(self) -> Limits:
        """With room for what validation subjects do not show."""
        return replace(self, strangers=self.strangers / 2, wrong=self.wrong / 2)

    def allowed(self, most: float, people: int) -> float:
        """The share of so many validation subjects that may be mistaken, where `most` of new people may.

        The pictures of one person are not independent, so people count. Of the exact bound of a share (Clopper &
        Pearson, Biometrika 1934); 0 where they are too few to show it, even if nobody is mistaken.
        """
        if not self.shown:
            return most

        def surplus(share: float) -> float:
            return float(beta.ppf(SURE, share * people + 1, (1 - share) * people)) - most

        return 0.0 if surplus(0.0) >= 0 else float(bisect(surplus, 0.0, most))


@dataclass(frozen=True)
class Trials:
    """Questions to one track, float (trials, subjects): one row per probe and gallery.

    `agreeing` are the weights of the keypoints that agree.
    `levels` is float (trials,), how near the row's probe is to the cohort, None without one.
    `enrolled` marks the subjects that are in the row's gallery; `answer` is the column of the right one, or -1: nobody.
    """

    similarities: NDArray[np.float64]
    levels: NDArray[np.float64] | None
    agreeing: NDArray[np.float64]
    enrolled: NDArray[np.bool_]
    answer: NDArray[np.intp]


def draw_trials(tracks: Sequence[Scored], rng: np.random.Generator) -> list[Trials]:
    """Trials per track; galleries are random subsets of the track's subjects, of all sizes that it has."""
    return [_track_trials(track, rng) for track in tracks]


def _track_trials(track: Scored, rng: np.random.Generator) -> Trials:
    count = len(track.subjects)
    probes = _repeated(track, TRIALS)
    enrolled = np.stack([_gallery(count, own, _size(count, rng), rng) for own in track.truth[probes].tolist()])
    known = _asked(track, probes, enrolled, track.truth[probes])
    strangers = [_asked_as_strangers(track.strangers or track, probes, enrolled)]
    if track.outsiders:
        probes = _as_often(track.outsiders, track, probes)
        own = track.outsiders.truth[probes].tolist()
        enrolled = np.stack([_gallery(count, one, _size(count, rng), rng) for one in own])
        strangers.append(_asked_as_strangers(track.outsiders, probes, enrolled))
    return _joined(known, *strangers)


def _asked_as_strangers(track: Scored, probes: NDArray[np.intp], enrolled: NDArray[np.bool_]) -> Trials:
    """Without their own patients, where anybody else is enrolled."""
    without = enrolled.copy()
    without[np.arange(len(probes)), track.truth[probes]] = False
    asked = without.any(axis=1)
    return _asked(track, probes[asked], without[asked], np.full(int(asked.sum()), -1))


def _asked(track: Scored, probes: NDArray[np.intp], enrolled: NDArray[np.bool_], answer: NDArray[np.intp]) -> Trials:
    """These probes of a track, each with its gallery; as in service, keypoints are compared with the nearest alone."""
    similarities = track.similarities[probes].astype(np.float64)
    agreeing = np.zeros_like(similarities) if track.agreeing is None else track.agreeing[probes].astype(np.float64)
    verified = _nearest(np.where(enrolled, similarities, -np.inf), VERIFIED_CANDIDATES)
    levels = None if track.levels is None else track.levels[probes].astype(np.float64)
    return Trials(similarities, levels, agreeing * verified, enrolled, answer)


def _asked_of(track: Scored, size: int, rng: np.random.Generator) -> tuple[Trials, Trials]:
    """Strangers asked of galleries of so many others, and every patient's probe who is enrolled besides them."""

    def galleries(asked: Scored, probes: NDArray[np.intp]) -> NDArray[np.bool_]:
        return np.stack([_gallery(len(track.subjects), own, size + 1, rng) for own in asked.truth[probes].tolist()])

    probes = _repeated(track, CAUTIOUS_TRIALS)
    enrolled = galleries(track, probes)
    strangers = [_asked_as_strangers(track.strangers or track, probes, enrolled)]
    if track.outsiders:
        others = _as_often(track.outsiders, track, probes)
        strangers.append(_asked_as_strangers(track.outsiders, others, galleries(track.outsiders, others)))
    return _joined(*strangers), _asked(track, probes, enrolled, track.truth[probes])


def _people(track: Scored) -> tuple[int, int]:
    """How many are asked as strangers, and how many as patients."""
    patients = set(track.truth.tolist())
    outsiders = set(track.outsiders.truth.tolist()) if track.outsiders else set[int]()
    return len(patients | outsiders), len(patients)


def _repeated(track: Scored, trials: int) -> NDArray[np.intp]:
    """Every probe as often as makes so many trials, and twice at least."""
    count = len(track.truth)
    return np.repeat(np.arange(count), max(2, -(-trials // max(count, 1))))


def _as_often(track: Scored, other: Scored, probes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Every probe of a track as often as each of the other track is among `probes`."""
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
    """Who is enrolled, bool (count,): `own` and others, `size` in all."""
    others = np.delete(np.arange(count), own)
    gallery = np.zeros(count, bool)
    gallery[[own, *rng.choice(others, size - 1, replace=False)]] = True
    return gallery


def _nearest(similarities: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    """The `count` largest of each row."""
    if similarities.shape[1] <= count:
        return np.ones(similarities.shape, bool)
    least = np.partition(similarities, -count, axis=1)[:, -count, np.newaxis]
    return np.asarray(similarities >= least)


def fit_calibration(
    tracks: Sequence[Scored],
    seed: int,
    made: Sequence[Scored] = (),
    limits: Limits | None = None,
    *,
    bounded: bool = False,
) -> Calibration:
    """The parameters with the greatest likelihood; every track counts the same, however large.

    Where more would be mistaken than `limits` allow, the offset is lowered until they are not: one likelihood for
    several questions, and for galleries of all sizes, may be too bold for one of them.

    `made` are tracks of made repeat shots. They tell what keypoints are worth and nothing about embeddings, since a
    made picture is nearer to its source than a real one would be: where there are any, the part of the keypoints is
    fitted on them and on the strangers of the real tracks, as if embeddings were blind, and kept. Real pictures of a
    patient show another surface then, so the offset of that fit is what a repeat shot without keypoints is worth.

    With `bounded`, what cosines say levels off towards a limit, which is fitted with the rest.
    """
    rng = np.random.default_rng(seed)
    groups = draw_trials(tracks, rng)
    start, free = START.model_copy(update={"keypoint_worth": 0.0}), list(GLOBAL)
    if made:
        blind = [_blind(trials) for trials in (*draw_trials(made, rng), *map(_strangers, groups))]
        local = _fit(blind, START, (*GLOBAL, *LOCAL))
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
    if bounded:
        fitted = _fit(groups, fitted.model_copy(update={"similarity_limit": LIMIT}), (*free, "similarity_limit"))
    return fitted if limits is None else _cautious(tracks, fitted, limits, rng)


def _cautious(
    tracks: Sequence[Scored], calibration: Calibration, limits: Limits, rng: np.random.Generator
) -> Calibration:
    """With the least change of the offset after which few are identified as who they are not, whatever is asked.

    All folds of a track count together.
    """
    shares = {"strangers": limits.strangers, "wrong": limits.wrong}
    questions: dict[tuple[str, str, int], list[Trials]] = {}
    people: Counter[tuple[str, str]] = Counter()
    for track in tracks:
        name, others = track.track.split(", fold ")[0], len(track.subjects) - 1
        people.update({(name, who): count for who, count in zip(shares, _people(track), strict=True)})
        for size in [size for size in GALLERY_SIZES if size <= others] or [others] * (others > 0):
            for who, trials in zip(shares, _asked_of(track, size, rng), strict=True):
                questions.setdefault((name, who, size), []).append(trials)
    allowed = {(name, who): limits.allowed(shares[who], count) for (name, who), count in people.items()}

    def lowered(caution: float) -> Calibration:
        return calibration.model_copy(update={"offset": calibration.offset - caution})

    def excess(caution: float) -> float:
        surplus = [
            _mistaken(asked, lowered(caution), limits.threshold) - allowed[name, who]
            for (name, who, _), asked in questions.items()
        ]
        return max(surplus, default=0.0)

    if excess(0.0) <= 0:
        return calibration
    if excess(MOST_CAUTION) > 0:
        return lowered(MOST_CAUTION)
    # shares are steps, so the far end of the last interval is taken: there they are small enough
    found = bisect(lambda caution: excess(caution) or -1.0, 0.0, MOST_CAUTION, xtol=0.01)
    return lowered(found + 0.01)


def _mistaken(asked: Sequence[Trials], calibration: Calibration, threshold: float) -> float:
    """The share of the probes that are identified as somebody who they are not."""
    mistaken = []
    for trials in asked:
        logits = _logits(trials, calibration)
        first = logits[:, :-1].argmax(axis=1)
        confidence = np.exp(logits[np.arange(len(logits)), first] - np.logaddexp.reduce(logits, axis=1))
        mistaken.append((confidence >= threshold) & (first != trials.answer))
    return float(np.mean(np.concatenate(mistaken)))


def _level(groups: Sequence[Trials], calibration: Calibration) -> float:
    """How near those behind the first are to a probe on average."""
    unit = calibration.model_copy(update={"rival_weight": 1.0, "rival_level": 0.0})
    return float(np.mean([np.mean(rival_shift(_ratios(trials, calibration), unit)) for trials in groups]))


def _blind(trials: Trials) -> Trials:
    return replace(trials, similarities=np.zeros_like(trials.similarities), levels=None)


def _strangers(trials: Trials) -> Trials:
    asked = trials.answer < 0
    levels = None if trials.levels is None else trials.levels[asked]
    return Trials(
        trials.similarities[asked], levels, trials.agreeing[asked], trials.enrolled[asked], trials.answer[asked]
    )


def _fit(groups: Sequence[Trials], start: Calibration, free: Sequence[str]) -> Calibration:
    """The likeliest calibration; parameters that are not `free` stay as in `start`."""

    def at(values: NDArray[np.float64]) -> Calibration:
        return start.model_copy(update={name: _bounded(name, value) for name, value in zip(free, values, strict=True)})

    def loss(values: NDArray[np.float64]) -> float:
        calibration = at(values)
        pull = GROWTH_PULL * (calibration.size_exponent - 1) ** 2
        if calibration.keypoint_worth:
            pull += LOCAL_PULL * np.log(calibration.keypoint_worth / WORTH) ** 2
            pull += LOCAL_PULL * np.log(calibration.keypoint_chance / CHANCE) ** 2
        return float(np.mean([_loss(trials, calibration) for trials in groups]) + pull)

    begin = [np.log(getattr(start, name)) if name in LOGARITHMIC else getattr(start, name) for name in free]
    return at(minimize(loss, np.array(begin), method="BFGS", options={"gtol": 1e-4}).x)


def _bounded(name: str, value: float) -> float:
    """The parameter behind a number that may be any."""
    if name in LOGARITHMIC:
        return float(np.exp(np.clip(value, -20, 20)))
    return float(value if name == "offset" else max(value, 0.0))


def _ratios(trials: Trials, calibration: Calibration) -> NDArray[np.float64]:
    """Log likelihood ratios, -inf for who is not enrolled."""
    similarities = normalise_cosines(trials.similarities, trials.levels, calibration)
    return np.where(trials.enrolled, log_likelihood_ratios(similarities, trials.agreeing, calibration), -np.inf)


def _logits(trials: Trials, calibration: Calibration) -> NDArray[np.float64]:
    """Log odds against unknown, float (trials, subjects + 1); the last column is unknown, where answer -1 points."""
    ratios = _ratios(trials, calibration)
    logits = ratios - rival_shift(ratios, calibration)
    logits = logits - calibration.size_exponent * np.log(trials.enrolled.sum(axis=1, keepdims=True))
    return np.column_stack([logits, np.zeros(len(logits))])


def _loss(trials: Trials, calibration: Calibration) -> float:
    """Mean negative log likelihood of the right answers; strangers weigh as much as their prior."""
    logits = _logits(trials, calibration)
    losses = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(logits)), trials.answer]
    weights = np.where(trials.answer < 0, STRANGER_PRIOR, 1.0 - STRANGER_PRIOR)
    return float(np.average(losses, weights=weights))
