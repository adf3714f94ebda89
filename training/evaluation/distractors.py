"""People to enlarge a gallery with: real people of the training split first, then mixtures of them.

A person is float32 (pictures, d): as many embeddings as the people of the track have. A made-up person mixes two real
people picture by picture,

    x = m + cos(a) (x_i - m) + sin(a) (x_j - m),    brought back to unit length,

with m the mean of all. Because cos^2 + sin^2 = 1, mixtures of independent people keep the mean and the covariance of
the embeddings. Plain interpolation would shrink them towards the mean, away from every probe (the smoothed bootstrap of
Silverman & Young, Biometrika 1987, has the same correction). The angle is the widest at which other people are as near
to mixtures as to real people. A narrow angle makes near-copies, which enlarge the gallery in name only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.bundle_manifest import Row
from training.evaluation.scorers import EmbeddingScorer

Persons = NDArray[np.float32]
"""float32 (people, pictures, d), each embedding of unit length."""
Mixing = Callable[[Persons, int, float, np.random.Generator], Persons]
"""Makes a number of people from real people, at an angle in degrees."""

ANGLES = (45.0, 35.0, 25.0, 15.0, 10.0, 5.0)
"""Degrees. At 45, both people count the same."""
QUANTILES = (0.5, 0.95)
"""Quantiles of the nearest cosines that are compared: the usual case, and the nearest people."""
SLACK = 0.02
SPLITS = 20
"""Random halves that the quantiles are averaged over. A modality may have as few as sixty people."""


@dataclass(frozen=True)
class Distractors:
    """People in the order in which they are enrolled. The first `real` are real. `angle` is None if all are real."""

    persons: Persons
    real: int
    angle: float | None


def real_persons(scorer: EmbeddingScorer, rows: Sequence[Row], pictures: int, seed: int) -> Persons:
    """Return the people of `rows` with `pictures` embeddings each; a person with fewer pictures repeats them."""
    members: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.subject, row.path)):
        members.setdefault(row.subject, []).append(row)
    rng = np.random.default_rng(seed)
    drawn = [own[i] for own in members.values() for i in np.resize(rng.permutation(len(own)), pictures)]
    order = rng.permutation(len(members))
    return scorer.embeddings(drawn).reshape(len(members), pictures, -1)[order]


def enlarge(real: Persons, count: int, seed: int) -> Distractors:
    """Return `count` people, the real ones first; ValueError if there are fewer than four real people to mix."""
    if count <= len(real):
        return Distractors(real[:count], count, None)
    if len(real) < 4:
        raise ValueError(
            f"{len(real)} people of the training split are too few to make up others. Add people with split=train."
        )
    rng = np.random.default_rng(seed)
    angle = widest_angle(real, rng)
    made = mix(real, count - len(real), angle, rng)
    return Distractors(np.concatenate([real, made]), len(real), angle)


def mix(real: Persons, count: int, angle: float, rng: np.random.Generator) -> Persons:
    """Return people who mix two different real people each; `angle` in degrees."""
    first = np.resize(rng.permutation(len(real)), count)  # each person equally often
    second = (first + rng.integers(1, len(real), size=count)) % len(real)
    middle = real.mean(axis=(0, 1))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    mixed = middle + cos * (real[first] - middle) + sin * (real[second] - middle)
    return np.asarray(mixed / np.linalg.norm(mixed, axis=2, keepdims=True), np.float32)


def widest_angle(real: Persons, rng: np.random.Generator, make: Mixing = mix) -> float:
    """Return the widest angle at which mixtures of half of the people are as near to the others as real people."""
    halves = [np.array_split(rng.permutation(len(real)), 2) for _ in range(SPLITS)]
    usual = np.mean([_nearest(real[others, 0], real[mixed]) for mixed, others in halves], axis=0)
    for angle in ANGLES[:-1]:
        made = [_nearest(real[others, 0], make(real[mixed], len(mixed), angle, rng)) for mixed, others in halves]
        if np.all(np.mean(made, axis=0) >= usual - SLACK):
            return angle
    return ANGLES[-1]


def _nearest(probes: NDArray[np.float32], persons: Persons) -> NDArray[np.float64]:
    """Return quantiles of each probe's cosine with its nearest person."""
    return np.asarray(np.quantile(best_cosines(probes, persons).max(axis=1), QUANTILES))


def best_cosines(probes: NDArray[np.float32], persons: Persons, block: int = 1000) -> NDArray[np.float64]:
    """Return the cosine with the nearest picture of each person, float (probes, people)."""
    count, pictures, dimension = persons.shape
    found = [
        (probes @ part.reshape(-1, dimension).T).reshape(len(probes), -1, pictures).max(axis=2)
        for part in (persons[i : i + block] for i in range(0, count, block))
    ]
    return np.concatenate(found, axis=1).astype(np.float64)
