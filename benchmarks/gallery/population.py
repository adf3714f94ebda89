"""The enrolled people: real ones first, then any number of synthetic ones, always the same.

A synthetic person mixes four real ones picture by picture, as `training.evaluation.distractors` mixes two,

    x = m + cos(a) (x_i - m) + sin(a) (u_1 (x_j - m) + u_2 (x_k - m) + u_3 (x_l - m)),    brought back to unit length,

with m the mean of all and u a random direction. So a few dozen people give a million different ones, with the same mean
and covariance. `a` is the widest angle at which an unmixed person lies as near to mixtures as to real people. So
searching a synthetic gallery is as hard as searching a real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.evaluation.distractors import Persons, widest_angle

BLOCK = 5000
OTHERS = 3
SEED = 0
ELSEWHERE = 1 << 20
"""Blocks from here on hold strangers: people of the same kind who are never enrolled."""


def blend(real: Persons, count: int, angle: float, rng: np.random.Generator) -> Persons:
    """Mix synthetic people, float32 (count, pictures, d), from four real ones each; `angle` in degrees."""
    first = np.resize(rng.permutation(len(real)), count)
    direction = rng.normal(size=(count, OTHERS)).astype(np.float32)
    direction *= np.sin(np.radians(angle)) / np.linalg.norm(direction, axis=1, keepdims=True)
    middle = real.mean(axis=(0, 1))
    mixed = middle + np.cos(np.radians(angle)) * (real[first] - middle)
    for weights in direction.T:
        other = (first + rng.integers(1, len(real), size=count)) % len(real)
        mixed += weights[:, np.newaxis, np.newaxis] * (real[other] - middle)
    return _to_unit_length(mixed)


@dataclass(frozen=True)
class Population:
    """Real and synthetic people. `real` is float32 (people, pictures, d), at least four people, of unit length."""

    real: Persons

    @cached_property
    def angle(self) -> float:
        """The angle in degrees between synthetic people and the real ones."""
        return widest_angle(self.real, np.random.default_rng(SEED), blend)

    @property
    def pictures(self) -> int:
        """The number of pictures of one person."""
        return int(self.real.shape[1])

    def people(self, begin: int, end: int) -> Persons:
        """Return the people begin <= number < end."""
        real = self.real[begin:end]
        made_begin, made_end = (max(number - len(self.real), 0) for number in (begin, end))
        parts = [real] if len(real) else []
        for block in range(made_begin // BLOCK, -(-made_end // BLOCK)):
            offset = block * BLOCK
            parts.append(self._block(block)[max(made_begin - offset, 0) : made_end - offset])
        return np.concatenate(parts) if parts else self.real[:0]

    def blocks(self, begin: int, end: int) -> Iterator[tuple[int, Persons]]:
        """Yield blocks of people that fit into memory, each with its first number."""
        for number in range(begin, end, BLOCK):
            yield number, self.people(number, min(number + BLOCK, end))

    def probes(self, enrolled: int, count: int) -> NDArray[np.float32]:
        """Return float32 (count, d): the first half are new pictures of enrolled people, the others strangers.

        A new picture lies on the line through the first and the last picture of its person. Its distance from the first
        one is at most half of the distance between these two, on either side.
        """
        rng = np.random.default_rng([SEED, enrolled])
        wanted = count - count // 2
        numbers = np.sort(rng.choice(enrolled, wanted, replace=enrolled < wanted))
        chosen = [
            persons[numbers[(numbers >= first) & (numbers < first + len(persons))] - first]
            for first, persons in self.blocks(0, enrolled)
        ]
        known = np.concatenate(chosen)
        steps = rng.uniform(-0.5, 0.5, size=(len(known), 1)).astype(np.float32)
        known = _to_unit_length(known[:, 0] + steps * (known[:, -1] - known[:, 0]))
        return np.concatenate([known, self.strangers(count // 2)])

    def strangers(self, count: int, draw: int = 0) -> NDArray[np.float32]:
        """Return float32 (count, d): one picture of each of `count` people who are never enrolled."""
        return self._block(ELSEWHERE + draw)[:count, 0]

    def _block(self, block: int) -> Persons:
        return blend(self.real, BLOCK, self.angle, np.random.default_rng([SEED, block]))


def _to_unit_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


@dataclass
class Nearest:
    """The exact nearest people of each probe, updated block by block."""

    probes: NDArray[np.float32]
    kept: int

    def __post_init__(self) -> None:
        self.numbers = np.full((len(self.probes), self.kept), -1)
        self.cosines = np.full((len(self.probes), self.kept), -np.inf, np.float32)

    def add(self, first: int, persons: Persons) -> None:
        """Add people from number `first` on. A person is as near as the nearest picture."""
        cosines = np.maximum.reduce([self.probes @ persons[:, i].T for i in range(persons.shape[1])])
        best = _largest(cosines, min(self.kept, len(persons)))
        cosines = np.concatenate([self.cosines, np.take_along_axis(cosines, best, 1)], axis=1)
        numbers = np.concatenate([self.numbers, best + first], axis=1)
        best = _largest(cosines, self.kept)
        self.cosines, self.numbers = (np.take_along_axis(values, best, 1) for values in (cosines, numbers))


def _largest(values: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """Return the columns of the `count` largest values of each row, largest first."""
    chosen = np.argpartition(-values, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(values, chosen, 1), axis=1, kind="stable")
    return np.take_along_axis(chosen, order, 1)
