"""Axial head MR slices in one of four contrasts: scalp, skull, folded cortex, white matter, ventricles, deep nuclei.

Everything is first a map of tissues, then of signal, then a scan with coil shading and Rician noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from samples.phantoms import texture as tx
from samples.phantoms.cortex import folds
from samples.phantoms.texture import Field, Picture, Rng

SIGNAL: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "t1": {
            "fat": 0.95,
            "marrow": 0.60,
            "bone": 0.05,
            "csf": 0.10,
            "grey": 0.36,
            "white": 0.53,
            "lesion": 0.22,
            "blood": 0.30,
        },
        "t1gd": {
            "fat": 0.95,
            "marrow": 0.55,
            "bone": 0.05,
            "csf": 0.09,
            "grey": 0.38,
            "white": 0.50,
            "lesion": 0.85,
            "blood": 0.95,
        },
        "t2": {
            "fat": 0.70,
            "marrow": 0.35,
            "bone": 0.05,
            "csf": 0.98,
            "grey": 0.52,
            "white": 0.36,
            "lesion": 0.85,
            "blood": 0.12,
        },
        "flair": {
            "fat": 0.72,
            "marrow": 0.30,
            "bone": 0.05,
            "csf": 0.10,
            "grey": 0.46,
            "white": 0.37,
            "lesion": 0.85,
            "blood": 0.12,
        },
    }
)
"""Relative signal of each tissue in each contrast."""


@dataclass(frozen=True)
class _Head:
    """Coordinates in which the brain fills the unit ellipse; `radius` is 1 on its surface, `n` pixels a side."""

    n: int
    x: Field
    y: Field
    radius: Field
    level: float
    """0 through the basal ganglia, 1 high above the ventricles."""
    contrast: str


def draw(seed: int, size: int = 288) -> Picture:
    """Draw the head `seed`: uint8 (size, size, 3), three equal channels."""
    rng = tx.generator("mri", seed)
    head = _head(rng, size * tx.OVERSAMPLING)
    signal = _covers(rng, head)
    brain, within = _brain(rng, head)
    signal = tx.mixed(signal, brain, within)
    return tx.picture(_scanned(rng, tx.reduced(signal)))


def _head(rng: Rng, n: int) -> _Head:
    """Size, place, tilt and shape: longer than wide, wider behind."""
    x, y = tx.coordinates(n)
    half_length = rng.uniform(0.52, 0.86)
    half_width = half_length * rng.uniform(0.70, 0.90)
    tilt, shift = rng.normal(0, 0.1), rng.normal(0, 0.05, 2)
    u = ((x - shift[0]) * math.cos(tilt) + (y - shift[1]) * math.sin(tilt)) / half_width
    v = ((y - shift[1]) * math.cos(tilt) - (x - shift[0]) * math.sin(tilt)) / half_length
    u = u / (1 + rng.uniform(0.04, 0.12) * v - 0.03 * v**2)
    angle = np.asarray(np.arctan2(v, u), np.float32)
    radius = tx.ellipse(u, v, (0, 0), (1, 1), power=rng.uniform(2.0, 2.25)) * (1 + tx.wobble(rng, angle, 0.008, 5))
    contrast = str(rng.choice(list(SIGNAL), p=(0.3, 0.25, 0.15, 0.3)))
    return _Head(n, u, v, np.asarray(radius, np.float32), rng.uniform(0, 1), contrast)


def _covers(rng: Rng, head: _Head) -> Field:
    """From outside in: air, scalp with its fat, outer table, marrow, inner table, fluid."""
    signal = SIGNAL[head.contrast]
    r = head.radius + 0.004 * tx.fbm(rng, head.n, head.n / 12, 3)
    skull, scalp = rng.uniform(0.05, 0.085), rng.uniform(0.05, 0.12)
    back = 1 + rng.uniform(0, 0.5) * np.abs(head.y)
    fat = signal["fat"] * rng.uniform(0.6, 1.1) * (0.88 + 0.10 * tx.fbm(rng, head.n, head.n / 14, 4))
    layers = tx.mixed(np.zeros_like(r), fat, tx.inside(r / (1.02 + skull + scalp * back), 0.02))
    skin = np.exp(-(((r / (1.02 + skull + scalp * back) - 0.99) / 0.012) ** 2))
    layers = tx.mixed(layers, 0.45 * signal["fat"], 0.8 * skin)
    layers = tx.mixed(layers, signal["bone"], tx.inside(r / (1.035 + skull), 0.015))
    marrow = np.exp(-(((r - 1.03 - skull * 0.55) / (skull * 0.2)) ** 2)) * tx.smooth(
        0.55 + 0.5 * tx.fbm(rng, head.n, head.n / 8, 3)
    )
    layers = tx.mixed(layers, signal["marrow"], 0.8 * marrow)
    layers = tx.mixed(layers, signal["csf"], tx.inside(r / 1.01, 0.02))
    sinus = tx.ellipse(head.x, head.y, (0, 1.0), (0.05, 0.04))
    return tx.mixed(layers, signal["blood"], tx.inside(sinus, 0.4))


def _brain(rng: Rng, head: _Head) -> tuple[Field, Field]:
    """Return the signal of the brain and the mask of the brain."""
    signal = SIGNAL[head.contrast]
    cortex = folds(rng, head.x, head.y, head.level)
    texture = 0.008 * tx.fbm(rng, head.n, head.n / 20, 5, 0.7)
    brain = signal["white"] * (1 + 0.025 * tx.fbm(rng, head.n, head.n / 4, 2)) + texture
    brain = tx.mixed(brain, signal["grey"] + texture, cortex.grey)
    brain = tx.mixed(brain, signal["csf"], 0.9 * cortex.fluid)
    if head.level < 0.8:  # the corpus callosum and what lies beside it
        middle = tx.inside(tx.ellipse(head.x, head.y, (0, 0), (0.22, 0.46), power=2.6), 0.12)
        brain = tx.mixed(brain, signal["white"] + texture, middle)
    if head.level < 0.55:
        brain = tx.mixed(brain, signal["grey"] * 1.02 + texture, 0.8 * _nuclei(rng, head))
    if rng.random() < 0.55:
        brain = _with_lesion(rng, head, brain)
    if head.level < 0.8:
        brain = tx.mixed(brain, signal["csf"], _ventricles(rng, head))
    if head.contrast == "t1gd":
        brain = tx.mixed(brain, signal["blood"], 0.8 * _bright_vessels(rng, head, cortex.fluid))
    return brain, tx.inside(head.radius / rng.uniform(0.970, 0.992), 0.02)


def _nuclei(rng: Rng, head: _Head) -> Field:
    """Caudate, lentiform nucleus and thalamus of both sides."""
    side, jitter = np.abs(head.x), 1 + 0.05 * rng.standard_normal(6)
    caudate = tx.ellipse(side, head.y, (0.17 * jitter[0], -0.28), (0.06, 0.12 * jitter[1]), 0.35)
    lentiform = tx.ellipse(side, head.y, (0.34 * jitter[2], -0.10), (0.08, 0.19 * jitter[3]), -0.3)
    thalamus = tx.ellipse(side, head.y, (0.14 * jitter[4], 0.10), (0.10, 0.16 * jitter[5]), -0.45)
    grain = 0.08 * tx.fbm(rng, head.n, head.n / 14, 3)
    masks = [tx.inside(shape + grain, 0.18) for shape in (caudate, lentiform, thalamus)]
    return np.asarray(np.maximum.reduce(masks), np.float32)


def _ventricles(rng: Rng, head: _Head) -> Field:
    """Frontal horns, bodies, trigones and the third ventricle at this level; wide in some patients."""
    side = np.abs(head.x - 0.02 * rng.standard_normal())
    grown = rng.uniform(0.6, 2.2)
    shapes = []
    if head.level < 0.55:
        shapes.append(tx.ellipse(side, head.y, (0.105, -0.33), (0.038 * grown, 0.15), -0.38))
        shapes.append(tx.ellipse(side, head.y, (0.31, 0.36), (0.05 * grown, 0.17), -0.30))
        shapes.append(tx.ellipse(side, head.y, (0.0, 0.0), (0.016 * grown, 0.13)))
    else:
        body = side - 0.05 - 0.22 * (head.y - 0.02) ** 2 - 0.12 * np.clip(head.y, 0, None)
        shapes.append(np.hypot(body / (0.05 * grown), np.clip(np.abs(head.y - 0.03) - 0.26, 0, None) / 0.06) - 0.1)
    grain = 0.10 * tx.fbm(rng, head.n, head.n / 18, 3)
    masks = [tx.inside(np.asarray(shape, np.float32) + grain, 0.3) for shape in shapes]
    return np.asarray(np.maximum.reduce(masks), np.float32)


def _with_lesion(rng: Rng, head: _Head, brain: Field) -> Field:
    """A round focus with oedema, or a few small spots in the white matter."""
    signal = SIGNAL[head.contrast]
    oedema = {"t1": 0.40, "t1gd": 0.36, "t2": 0.75, "flair": 0.68}[head.contrast]
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(3, 12))):
            centre = (float(rng.choice((-1, 1)) * rng.uniform(0.2, 0.5)), float(rng.uniform(-0.5, 0.6)))
            spot = tx.ellipse(
                head.x, head.y, centre, (r := rng.uniform(0.015, 0.05), r * rng.uniform(0.6, 1.2)), rng.uniform(0, 3)
            )
            brain = tx.mixed(brain, signal["lesion"], 0.7 * tx.inside(spot, 0.5))
        return brain
    centre = (float(rng.choice((-1, 1)) * rng.uniform(0.3, 0.55)), float(rng.uniform(-0.5, 0.5)))
    extent = rng.uniform(0.12, 0.34)
    focus = tx.ellipse(head.x, head.y, centre, (extent, extent * rng.uniform(0.75, 1.1)), rng.uniform(0, 3))
    focus = focus + 0.12 * tx.fbm(rng, head.n, head.n / 8, 4)
    brain = tx.mixed(
        brain, oedema, 0.85 * tx.inside(focus / rng.uniform(1.3, 1.8) + 0.1 * tx.fbm(rng, head.n, head.n / 9, 3), 0.3)
    )
    brain = tx.mixed(brain, signal["lesion"], tx.inside(focus, 0.15))
    return tx.mixed(
        brain, 0.6 * signal["csf"] + 0.2 * signal["grey"], rng.uniform(0.3, 1) * tx.inside(focus / 0.6, 0.2)
    )


def _bright_vessels(rng: Rng, head: _Head, sulcus: Field) -> Field:
    """After contrast medium, veins shine in some of the sulci."""
    return sulcus * tx.smooth((tx.fbm(rng, head.n, head.n / 16, 3) - 1.0) / 0.6) * tx.inside(head.radius, 0.1)


def _scanned(rng: Rng, signal: Field) -> Field:
    """Blur, coil shading, Rician noise, and the console's brightness: 0 to 1."""
    size = len(signal)
    x, y = tx.coordinates(size)
    turn, depth = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.3)
    shading = 1 + depth * (x * math.cos(turn) + y * math.sin(turn)) + rng.uniform(-0.2, 0.3) * (x**2 + y**2)
    signal = tx.sharpened(tx.blurred(signal, rng.uniform(0.4, 1.3)), rng.uniform(0.1, 0.8)) * shading
    sigma = rng.uniform(0.004, 0.035)
    real, imaginary = (sigma * rng.standard_normal((2, size, size))).astype(np.float32)
    scan = np.clip(np.hypot(signal + real, imaginary), 0, None)
    return np.asarray(rng.uniform(0.65, 1.2) * scan ** rng.uniform(0.75, 1.3), np.float32)
