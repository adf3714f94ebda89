"""Branching trees of tapered, winding vessels, and strokes of any width on a field."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.phantoms.texture import Field, Rng

_FRACTION_BITS: Final = 4
"""OpenCV gets coordinates in sixteenths of a pixel."""

_FREE_STEPS: Final = 3
"""Steps that a branch may take on the ground of its parent."""

Allowed = Callable[[float, float], bool]


@dataclass(frozen=True)
class Branch:
    """One unbranched course: `points` (n, 2) as x and y, `widths` (n,), both in the same unit."""

    points: NDArray[np.float64]
    widths: NDArray[np.float64]


@dataclass(frozen=True)
class Habit:
    """How a tree grows. Lengths share one unit with the widths; angles are radians."""

    step: float
    tortuosity: float = 0.15
    """Standard deviation of the heading's change in a step."""
    taper: float = 0.35
    """Share of its width that a branch loses from its root to its end."""
    interval: float = 0.2
    """Mean length between side branches."""
    angle: float = 0.75
    """Mean angle between a side branch and its parent."""
    ratio: float = 0.65
    """Mean width of a side branch as a share of its parent's width at that point."""
    length_ratio: float = 0.6
    thinnest: float = 0.004
    """Least width at which a branch begins."""


class Territory:
    """The ground that vessels of one kind occupy. Later vessels do not cross it."""

    def __init__(self, clearance: float) -> None:
        """`clearance` is the side of the square cells of ground."""
        self._clearance = clearance
        self._held: set[tuple[int, int]] = set()

    def is_free(self, x: float, y: float) -> bool:
        """Return whether no vessel runs here."""
        return self._cell(x, y) not in self._held

    def take(self, points: Iterable[tuple[float, float]]) -> None:
        """Occupy the ground under a finished course."""
        self._held.update(self._cell(x, y) for x, y in points)

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        return math.floor(x / self._clearance), math.floor(y / self._clearance)


@dataclass(frozen=True)
class Shoot:
    """Where and how a trunk or a branch begins; `curvature` bends its course (radians per unit)."""

    start: tuple[float, float]
    heading: float
    width: float
    length: float
    curvature: float = 0.0


def grow(
    rng: Rng, habit: Habit, shoot: Shoot, *, territory: Territory | None = None, allowed: Allowed = lambda _x, _y: True
) -> Iterator[Branch]:
    """Yield a trunk and its branches, which grow only where `allowed` returns True."""
    branch, buds = _course(rng, habit, shoot, territory, allowed)
    if len(branch.points) < 3:
        return
    if territory:
        territory.take(map(tuple, branch.points))
    yield branch
    for bud in buds:
        if bud.width >= habit.thinnest:
            yield from grow(rng, habit, bud, territory=territory, allowed=allowed)


def _course(
    rng: Rng, habit: Habit, shoot: Shoot, territory: Territory | None, allowed: Allowed
) -> tuple[Branch, list[Shoot]]:
    """Return one course and its side branches. Its heading swings around the planned bend."""
    steps = max(3, round(shoot.length / habit.step))
    (x, y), swing, until_bud = shoot.start, 0.0, habit.interval * rng.uniform(0.5, 1.2)
    points, widths = [(x, y)], [shoot.width]
    buds: list[Shoot] = []
    side = int(rng.choice((-1, 1)))
    for i in range(1, steps):
        swing = 0.86 * swing + habit.tortuosity * rng.standard_normal()
        heading = shoot.heading + shoot.curvature * habit.step * i + swing
        x, y = x + habit.step * math.cos(heading), y + habit.step * math.sin(heading)
        blocked = territory is not None and i > _FREE_STEPS and not territory.is_free(x, y)
        if blocked or not allowed(x, y):
            break
        points.append((x, y))
        widths.append(shoot.width * (1 - habit.taper * i / steps))
        until_bud -= habit.step
        if until_bud <= 0:
            until_bud = habit.interval * rng.uniform(0.5, 1.5)
            side = -side if rng.random() < 0.75 else side
            buds.append(_bud(rng, habit, shoot, (x, y), heading, side, widths[-1], 1 - 0.5 * i / steps))
    return Branch(np.asarray(points), np.asarray(widths)), buds


def _bud(
    rng: Rng,
    habit: Habit,
    parent: Shoot,
    start: tuple[float, float],
    heading: float,
    side: int,
    width: float,
    rest: float,
) -> Shoot:
    turn = side * habit.angle * rng.uniform(0.6, 1.3)
    length = parent.length * rest * habit.length_ratio * rng.uniform(0.6, 1.2)
    child_width = width * habit.ratio * rng.uniform(0.75, 1.25)
    return Shoot(start, heading + turn, child_width, length, -0.5 * turn / max(length, habit.step))


def stroked(size: int, branches: Iterable[Branch], scale: float = 1.0, offset: tuple[float, float] = (0, 0)) -> Field:
    """Return the coverage, 0 to 1, of all branches, drawn at `points * scale + offset` and `widths * scale` pixels."""
    canvas = np.zeros((size, size), np.uint8)
    for branch in branches:
        _stroke(canvas, branch.points * scale + np.asarray(offset), np.maximum(branch.widths * scale, 0.6))
    return np.asarray(canvas, np.float32) / 255


def _stroke(canvas: NDArray[np.uint8], points: NDArray[np.float64], widths: NDArray[np.float64]) -> None:
    unit = 1 << _FRACTION_BITS
    ahead = np.gradient(points, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) * widths[:, None] / 2
    left, right = np.rint((points + normal) * unit), np.rint((points - normal) * unit)
    for i in range(len(points) - 1):
        quad = np.asarray([left[i], left[i + 1], right[i + 1], right[i]], np.int32)
        cv2.fillConvexPoly(canvas, quad, 255, cv2.LINE_AA, _FRACTION_BITS)
    for point, width in zip(points, widths, strict=True):
        if width > 2.5:
            x, y = (int(v) for v in np.rint(point * unit))
            cv2.circle(canvas, (x, y), int(width / 2 * unit), 255, -1, cv2.LINE_AA, _FRACTION_BITS)


def curve(
    rng: Rng, start: tuple[float, float], end: tuple[float, float], bow: float, count: int = 40
) -> NDArray[np.float64]:
    """Return points (count, 2) of a quadratic Bezier curve that bows out by about `bow` of its length."""
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    normal = np.asarray([a[1] - b[1], b[0] - a[0]])
    middle = (a + b) / 2 + 2 * bow * rng.standard_normal() * normal
    t = np.linspace(0, 1, count)[:, None]
    return np.asarray((1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b)
