"""Generated images of other instruments: ultrasound, coherence tomography, endoscopes, microscopes.

They imitate the look of the instrument, not anatomy.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.data.out_of_domain.canvas import (
    SIDE,
    Field,
    Image,
    blend,
    clouds,
    coloured_noise,
    painted,
    point,
    stretched,
    to_bytes,
)

STAINS = {
    "haematoxylin": (0.65, 0.70, 0.29),
    "eosin": (0.07, 0.99, 0.11),
    "diaminobenzidine": (0.27, 0.57, 0.78),
    "methyl blue": (0.80, 0.59, 0.11),
    "fast red": (0.21, 0.85, 0.48),
}
"""Optical density of each stain in red, green and blue (Ruifrok and Johnston, 2001)."""


def stained_tissue(rng: np.random.Generator) -> Image:
    """Nuclei in stroma, in two of the stains: optical densities add up (Beer and Lambert)."""
    first, second = rng.choice(list(STAINS.values()), 2, replace=False) + rng.normal(0, 0.06, (2, 3))
    nuclei = _cells(rng, rng.uniform(1.5, 10), ring=rng.random() < 0.4)
    stroma = stretched(clouds(rng, int(rng.integers(3, 30))) + rng.uniform(0.1, 0.8) * _fibres(rng))
    gaps = (clouds(rng, int(rng.integers(2, 12))) > rng.uniform(0.0, 0.4))[..., np.newaxis]
    density = nuclei[..., np.newaxis] * first * rng.uniform(0.4, 1.3) + stroma[..., np.newaxis] * second * rng.uniform(
        0.15, 0.9
    )
    light = np.exp(-2.303 * np.maximum(density, 0) * np.where(gaps, 1.0, rng.uniform(0, 1)))
    return to_bytes(cv2.GaussianBlur(light * rng.uniform(0.8, 1.0), (0, 0), rng.uniform(0.4, 1.8)))


def smear(rng: np.random.Generator) -> Image:
    """Scattered cells, each with a nucleus, on an even ground: blood, cytology, cultures."""
    ground, body, nucleus = rng.uniform(0.6, 1.0, 3), rng.uniform(0.3, 0.9, 3), rng.uniform(0.1, 0.6, 3)
    canvas = np.ascontiguousarray(blend(clouds(rng, 4), ground, ground * rng.uniform(0.8, 1.0)))
    radius = rng.uniform(5, 30)
    for _ in range(int(rng.uniform(0.2, 1.2) * 12000 / radius**2)):
        centre, axes = point(rng), np.maximum(1, radius * rng.uniform(0.7, 1.3, 2)).astype(int)
        cv2.ellipse(canvas, centre, axes.tolist(), float(rng.uniform(0, 180)), 0, 360, body.tolist(), -1, cv2.LINE_AA)
        inner = np.maximum(1, axes * rng.uniform(0.2, 0.6)).astype(int)
        cv2.ellipse(canvas, centre, inner.tolist(), 0, 0, 360, nucleus.tolist(), -1, cv2.LINE_AA)
    return to_bytes(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.5)))


def fluorescence(rng: np.random.Generator) -> Image:
    """Glowing cells or fibres on black, one to three dyes."""
    canvas = np.zeros((SIDE, SIDE, 3))
    for _ in range(int(rng.integers(1, 4))):
        glow = _cells(rng, rng.uniform(2, 16), ring=False) if rng.random() < 0.6 else _fibres(rng) ** 3
        canvas += cv2.GaussianBlur(glow, (0, 0), rng.uniform(0.5, 3))[..., np.newaxis] * rng.dirichlet(np.ones(3) * 0.4)
    grain = rng.normal(0, 0.03, canvas.shape)
    grey = rng.random() < 0.3
    return to_bytes(canvas.mean(axis=-1) * 1.5 + grain[..., 0] if grey else canvas * 1.3 + grain)


def electron_microscopy(rng: np.random.Generator) -> Image:
    """Grey membranes, grains and fibres, finely textured."""
    membranes = np.abs(coloured_noise(rng, rng.uniform(1.5, 3)) - 0.5) * rng.uniform(4, 14)
    organelles = _cells(rng, rng.uniform(3, 14), ring=rng.random() < 0.5)
    grain = rng.normal(0, rng.uniform(0.02, 0.15), (SIDE, SIDE))
    return to_bytes(rng.uniform(0.3, 0.7) + 0.4 * (np.minimum(membranes, 1) - 0.5) - 0.3 * organelles + grain)


def ultrasound(rng: np.random.Generator) -> Image:
    """Grey speckle with dark cysts inside a fan or a rectangle on black, sometimes with flow in colour."""
    tissue = clouds(rng, int(rng.integers(2, 16))) * (0.5 + _bands(rng))
    speckle = cv2.GaussianBlur(tissue * rng.rayleigh(0.6, (SIDE, SIDE)), (0, 0), rng.uniform(0.5, 1.8))
    picture = np.repeat((speckle * _field_of_view(rng))[..., np.newaxis], 3, axis=-1)
    if rng.random() < 0.25:
        left, top = rng.integers(40, 140, 2)
        flow = painted(clouds(rng, 10), rng)[top : top + 80, left : left + 80] / 255
        picture[top : top + 80, left : left + 80] += flow * (clouds(rng, 9)[:80, :80, np.newaxis] > 0.6)
    return to_bytes(picture)


def coherence_tomography(rng: np.random.Generator) -> Image:
    """Bright wavy layers with speckle between dark above and fading below, grey or in false colours."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    surface = (
        rng.uniform(60, 150) + 25 * (coloured_noise(rng, 4)[0] - 0.5) + rng.uniform(-40, 40) * (x[0] / SIDE - 0.5) ** 2
    )
    depth = (y - surface) / rng.uniform(40, 110)
    layers = sum(
        rng.uniform(0.2, 1.0) * np.exp(-(((depth - at) / rng.uniform(0.02, 0.12)) ** 2)) for at in rng.random(6)
    )
    fading = np.where(depth > 0, 0.5 * np.exp(-np.maximum(depth, 0) * 1.5), 0.05)
    grain = np.asarray(layers + fading) * rng.rayleigh(0.7, (SIDE, SIDE))
    field = stretched(np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 1.3)), np.float64))
    return painted(field, rng) if rng.random() < 0.2 else to_bytes(field)


def endoscopy(rng: np.random.Generator) -> Image:
    """Wet folds of mucosa around a dark lumen, with highlights, in a cut-off frame."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    centre = rng.uniform(-0.5, 0.5, 2)
    radius = np.hypot(x - centre[0], y - centre[1]) + 0.25 * (coloured_noise(rng, 3) - 0.5)
    folds = 0.5 + 0.5 * np.sin(radius * rng.uniform(8, 30) + 4 * clouds(rng, 4))
    lit = np.clip(radius * rng.uniform(0.8, 1.6), 0, 1) * (0.6 + 0.4 * folds)
    dark, bright = rng.uniform([0.2, 0, 0], [0.5, 0.2, 0.2]), rng.uniform([0.7, 0.3, 0.2], [1.0, 0.75, 0.65])
    picture = blend(lit, dark, bright) + (coloured_noise(rng, 1.6) > rng.uniform(0.85, 1.0))[..., np.newaxis] * 0.6
    frame = (np.abs(x) < 0.9) & (np.abs(y) < 0.9) & (np.abs(x) + np.abs(y) < rng.uniform(1.3, 1.9))
    return to_bytes(picture * frame[..., np.newaxis])


def heat_map(rng: np.random.Generator) -> Image:
    """Smooth hot spots in false colours or inverted grey: scintigraphy, thermography, positron emission."""
    spots = sum(rng.uniform(0.2, 1.0) * _spot(rng) for _ in range(int(rng.integers(2, 15))))
    field = stretched(np.asarray(spots) + rng.uniform(0, 0.2) * rng.poisson(2.0, (SIDE, SIDE)))
    return painted(field, rng) if rng.random() < 0.6 else to_bytes(1 - field if rng.random() < 0.7 else field)


def _spot(rng: np.random.Generator) -> Field:
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    (cx, cy), (sx, sy) = point(rng), rng.uniform(5, 50, 2)
    return np.asarray(np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2))


def _cells(rng: np.random.Generator, radius: float, *, ring: bool) -> Field:
    """Filled ellipses of about one size, scattered or around circles (glands)."""
    canvas = np.zeros((SIDE, SIDE))
    count = int(rng.uniform(0.2, 1.1) * 3500 / radius**1.5)
    centres = rng.uniform(0, SIDE, (count, 2))
    if ring:
        glands, angle = rng.uniform(0, SIDE, (8, 2)), rng.uniform(0, 2 * np.pi, count)
        spread = rng.uniform(15, 70, 8)[np.arange(count) % 8] * rng.normal(1, 0.08, count)
        centres = glands[np.arange(count) % 8] + spread[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    for centre in centres.astype(int).tolist():
        axes = np.maximum(1, radius * rng.uniform(0.6, 1.4, 2)).astype(int).tolist()
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, rng.uniform(0.5, 1.0), -1, cv2.LINE_AA)
    return canvas * (0.7 + 0.3 * coloured_noise(rng, 1.0))


def _fibres(rng: np.random.Generator) -> Field:
    """Lines that run in one wavy direction."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle = rng.uniform(0, np.pi) + 2 * clouds(rng, 3)
    phase = (x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(10, 50) + 2 * clouds(rng, 12)
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * phase))


def _bands(rng: np.random.Generator) -> NDArray[np.float64]:
    depth = np.linspace(0, rng.uniform(2, 8), SIDE)[:, np.newaxis]
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * depth + 3 * clouds(rng, 3))) * rng.uniform(0, 1)


def _field_of_view(rng: np.random.Generator) -> Field:
    fan = np.zeros((SIDE, SIDE))
    if rng.random() < 0.3:
        cv2.rectangle(fan, (int(rng.integers(0, 50)), 10), (int(rng.integers(200, SIDE)), SIDE), 1.0, -1)
        return fan
    half, apex = float(rng.uniform(25, 70)), (SIDE // 2, int(rng.integers(-60, 20)))
    cv2.ellipse(fan, apex, (SIDE, SIDE), 90, -half, half, 1.0, -1)
    return fan


FAMILIES = (
    stained_tissue,
    smear,
    fluorescence,
    electron_microscopy,
    ultrasound,
    coherence_tomography,
    endoscopy,
    heat_map,
)
"""All families of this module. The order is part of the training."""
