"""People to enlarge a gallery with: real ones of the training split first, then mixtures of them.

A person is float32 (pictures, d): as many embeddings as the people of the track have enrolled. A made-up person mixes
two real ones picture by picture,

    x = m + cos(a) (x_i - m) + sin(a) (x_j - m),    brought back to unit length,

with m the mean of all. Because cos^2 + sin^2 = 1, mixtures of independent people keep the mean and the covariance of
the embeddings, where plain interpolation would shrink them towards the middle, away from every probe (the smoothed
bootstrap of Silverman & Young, Biometrika 1987, has the same correction). The angle is the widest at which people who
were not mixed lie as near to mixtures as to real people; a narrow one makes near-copies, which enlarge the gallery less
than they count.
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
"""Makes so many people out of real ones, turned away from them by so many degrees."""

ANGLES = (45.0, 35.0, 25.0, 15.0, 10.0, 5.0)
"""Degrees; at 45 both people count the same."""
QUANTILES = (0.5, 0.95)
"""Where nearest cosines are compared: how near is usual, and how near are the nearest that cause false alarms."""
SLACK = 0.02
SPLITS = 20
"""Halvings over which these are averaged: a modality may have some sixty people."""


@dataclass(frozen=True)
class Distractors:
    """Persons in the order in which they are enrolled; the first `real` are real. `angle` None: none is made up."""

    persons: Persons
    real: int
    angle: float | None


def real_persons(scorer: EmbeddingScorer, rows: Sequence[Row], pictures: int, seed: int) -> Persons:
    """Everybody in `rows`, with so many pictures each; who has fewer shows the same ones again."""
    members: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.subject, row.path)):
        members.setdefault(row.subject, []).append(row)
    rng = np.random.default_rng(seed)
    drawn = [own[i] for own in members.values() for i in np.resize(rng.permutation(len(own)), pictures)]
    order = rng.permutation(len(members))
    return scorer.embeddings(drawn).reshape(len(members), pictures, -1)[order]


def enlarge(real: Persons, count: int, seed: int) -> Distractors:
    """`count` people, the real ones first; ValueError with fewer than four real people to mix."""
    if count <= len(real):
        return Distractors(real[:count], count, None)
    if len(real) < 4:
        raise ValueError(f"{len(real)} people of the training split are too few to make up others")
    rng = np.random.default_rng(seed)
    angle = widest_angle(real, rng)
    made = mix(real, count - len(real), angle, rng)
    return Distractors(np.concatenate([real, made]), len(real), angle)


def mix(real: Persons, count: int, angle: float, rng: np.random.Generator) -> Persons:
    """Made-up people out of pairs of different real ones; `angle` in degrees."""
    first = np.resize(rng.permutation(len(real)), count)  # everybody as often as everybody else
    second = (first + rng.integers(1, len(real), size=count)) % len(real)
    middle = real.mean(axis=(0, 1))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    mixed = middle + cos * (real[first] - middle) + sin * (real[second] - middle)
    return np.asarray(mixed / np.linalg.norm(mixed, axis=2, keepdims=True), np.float32)


def widest_angle(real: Persons, rng: np.random.Generator, make: Mixing = mix) -> float:
    """The widest angle at which mixtures of one half are as near to the other half as the one half itself is."""
    halves = [np.array_split(rng.permutation(len(real)), 2) for _ in range(SPLITS)]
    usual = np.mean([_nearest(real[others, 0], real[mixed]) for mixed, others in halves], axis=0)
    for angle in ANGLES[:-1]:
        made = [_nearest(real[others, 0], make(real[mixed], len(mixed), angle, rng)) for mixed, others in halves]
        if np.all(np.mean(made, axis=0) >= usual - SLACK):
            return angle
    return ANGLES[-1]


def _nearest(probes: NDArray[np.float32], persons: Persons) -> NDArray[np.float64]:
    """Quantiles of the probes' cosine with whom they are nearest to."""
    return np.asarray(np.quantile(best_cosines(probes, persons).max(axis=1), QUANTILES))


def best_cosines(probes: NDArray[np.float32], persons: Persons, block: int = 1000) -> NDArray[np.float64]:
    """Float (probes, people): a person is as near as its nearest picture."""
    count, pictures, dimension = persons.shape
    found = [
        (probes @ part.reshape(-1, dimension).T).reshape(len(probes), -1, pictures).max(axis=2)
        for part in (persons[i : i + block] for i in range(0, count, block))
    ]
    return np.concatenate(found, axis=1).astype(np.float64)
