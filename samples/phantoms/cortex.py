"""The folded cortex of the head phantom: sulci that cut in from the surface, and the grey ribbon along them.

Coordinates are those in which the brain is the unit circle: x to the side, y to the back.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.phantoms.texture import Field, Rng, blurred, fbm, smooth, warped
from samples.phantoms.vessels import Branch, Habit, Shoot, Territory, grow, stroked

_REACH: Final = 1.25
"""The canvas on which sulci are drawn shows -1.25 to 1.25."""


@dataclass(frozen=True)
class Folds:
    """Masks of the fluid in the sulci and of the grey matter around them and under the surface."""

    fluid: Field
    grey: Field


def folds(rng: Rng, x: Field, y: Field, level: float) -> Folds:
    """Cortex of a slice at `level` (0 through the basal ganglia, 1 near the top) at the coordinates x, y."""
    n = len(x)
    width = rng.uniform(0.013, 0.027)
    sulci = [s for side in (-1, 1) for s in _hemisphere(rng, side, width, level)]
    sulci.append(_midline(rng, level, width))
    canvas = stroked(n, sulci, n / (2 * _REACH), (n / 2, n / 2))
    bend = n / 130 * fbm(rng, n, n / 18, 3)
    canvas = warped(canvas, bend, -bend[::-1])
    ribbon = _near(canvas > 0.5, n) + 0.008 * fbm(rng, n, n / 26, 3)
    depth = 1 - np.hypot(x, y) + 0.008 * fbm(rng, n, n / 26, 3)
    thickness = rng.uniform(0.050, 0.064)
    u, v = ((np.asarray(c) / _REACH + 1) * (n / 2) - 0.5 for c in (x, y))
    fluid, distance = (
        cv2.remap(f, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderValue=0.0)
        for f in (blurred(canvas, 0.8), np.asarray(ribbon, np.float32))
    )
    nearest = np.minimum(distance, depth)
    return Folds(np.asarray(fluid, np.float32), smooth((thickness - nearest) / 0.022 + 0.5))


def _near(sulcus: NDArray[np.bool_], n: int) -> Field:
    """Distance to the nearest sulcus."""
    pixels = cv2.distanceTransform((~sulcus).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(pixels * (2 * _REACH / n), np.float32)


def _hemisphere(rng: Rng, side: int, width: float, level: float) -> Iterator[Branch]:
    habit = Habit(
        step=0.016, tortuosity=0.16, taper=0.4, interval=0.11, angle=0.9, ratio=0.85, length_ratio=0.55, thinnest=0.009
    )
    territory = Territory(0.05)
    core = 0.55 - 0.45 * max(0.0, level - 0.35)

    def allowed(x: float, y: float) -> bool:
        return math.hypot(x, y) < 1.02 and math.hypot(x, 0.85 * y) > core * 0.9 and side * x > 0.02

    for shoot in _roots(rng, side, width, level):
        yield from grow(rng, habit, shoot, territory=territory, allowed=allowed)
    if level < 0.5:  # the lateral fissure and, where it ends, the insula
        end = (side * rng.uniform(0.52, 0.58), rng.uniform(-0.12, -0.02))
        opening = (side * 0.99, end[1] + rng.uniform(-0.02, 0.12))
        yield Branch(np.linspace(opening, end, 12), np.linspace(2.0, 1.2, 12) * width)
        bowed = np.linspace(-1, 1, 14)
        insula = np.stack([end[0] + side * 0.06 * bowed**2, end[1] + 0.2 * bowed], axis=1)
        yield Branch(insula, np.full(14, 1.1 * width))


def _roots(rng: Rng, side: int, width: float, level: float) -> Iterator[Shoot]:
    """Sulci begin all along the outer surface, and on the inner one if the hemispheres are apart."""
    angle = -1.5
    while angle < 1.5:
        start = (side * 0.995 * math.cos(angle), 0.995 * math.sin(angle))
        inwards = math.atan2(0.45 * start[1] - start[1], side * 0.15 - start[0])
        length = rng.uniform(0.16, 0.36) * (1 + 0.6 * level)
        yield Shoot(start, inwards + rng.normal(0, 0.28), width * rng.uniform(0.8, 1.3), length, rng.normal(0, 1.2))
        angle += rng.uniform(0.13, 0.24)
    along = -0.9
    while along < 0.9:
        if abs(along) > 0.45 or level > 0.8:
            heading = (0.0 if side > 0 else math.pi) + rng.normal(0, 0.35)
            yield Shoot((side * 0.03, along), heading, width * 0.8, rng.uniform(0.1, 0.26), rng.normal(0, 1.2))
        along += rng.uniform(0.1, 0.17)


def _midline(rng: Rng, level: float, width: float) -> Branch:
    """The fissure between the hemispheres. The caller paints the corpus callosum over it."""
    y = np.linspace(-1.02, 1.02, 60)
    x = np.cumsum(rng.normal(0, 0.0025, 60))
    return Branch(np.stack([x - np.linspace(0, x[-1], 60), y], axis=1), np.full(60, 1.1 * width + 0.004 * level))
