"""Generated textures: blank, gradients, stripes, noise of many spectra, fractals, landscapes, tilings."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.out_of_domain.canvas import SIDE, Image, blend, coloured_noise, painted, stretched, to_bytes


def blank(rng: np.random.Generator) -> Image:
    """One colour, half of the time grey, with at most a little grain."""
    shade = np.repeat(rng.random(), 3) if rng.random() < 0.5 else rng.random(3)
    return to_bytes(shade + rng.normal(0, rng.choice([0.0, 0.02]), (SIDE, SIDE, 1)))


def gradient(rng: np.random.Generator) -> Image:
    """A linear or round passage between two colours."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angle, centre = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5, 2)
    straight = x * np.cos(angle) + y * np.sin(angle)
    field = straight if rng.random() < 0.5 else np.hypot(x - centre[0], y - centre[1])
    return to_bytes(blend(stretched(field), rng.random(3), rng.random(3)))


def blocks(rng: np.random.Generator) -> Image:
    """Noise of some grain, hard or smooth, in colour or grey."""
    grain = int(2 ** rng.integers(0, 7))
    coarse = rng.random((max(2, SIDE // grain), max(2, SIDE // grain), 3 if rng.random() < 0.6 else 1))
    values = rng.random() + rng.random() * (np.broadcast_to(coarse, (*coarse.shape[:2], 3)) - 0.5)
    return to_bytes(
        cv2.resize(values, (SIDE, SIDE), interpolation=int(rng.choice([cv2.INTER_CUBIC, cv2.INTER_NEAREST])))
    )


def spectrum(rng: np.random.Generator) -> Image:
    """Noise whose power falls with frequency in any way, grey, in colour or in false colours."""
    exponent, style = rng.uniform(-1, 4), rng.random()
    if style < 0.4:
        return to_bytes(coloured_noise(rng, exponent))
    if style < 0.7:
        return to_bytes(np.stack([coloured_noise(rng, exponent) for _ in range(3)], axis=-1))
    return painted(coloured_noise(rng, exponent), rng)


def stripes(rng: np.random.Generator) -> Image:
    """Stripes, rings or a chequerboard."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle, frequency = rng.uniform(0, np.pi), rng.uniform(2, 40)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    waves = [np.sin(2 * np.pi * frequency * v) for v in (along, across, np.hypot(x - 0.5, y - 0.5))]
    field = waves[0] * waves[1] if rng.random() < 0.4 else waves[int(rng.choice([0, 2]))]
    if rng.random() < 0.5:
        field = np.sign(field)
    return to_bytes(blend(0.5 + 0.5 * field, rng.random(3), rng.random(3)))


def fractal(rng: np.random.Generator) -> Image:
    """A Julia set in false colours."""
    y, x = np.mgrid[-1.4 : 1.4 : SIDE * 1j, -1.4 : 1.4 : SIDE * 1j]
    z = (x + 1j * y) * rng.uniform(0.2, 1.0) + complex(*rng.uniform(-0.3, 0.3, 2))
    c = 0.7885 * np.exp(1j * rng.uniform(0, 2 * np.pi))
    steps = np.zeros((SIDE, SIDE))
    for _ in range(40):
        inside = np.abs(z) < 2
        z = np.where(inside, z * z + c, z)
        steps += inside
    return painted(stretched(steps), rng)


def terrain(rng: np.random.Generator) -> Image:
    """Land from above: water, fields and rock by height, lit from one side."""
    height = coloured_noise(rng, rng.uniform(2.2, 3.5))
    shades = rng.uniform(0.05, 0.9, (5, 3))
    bands = np.sort(rng.uniform(0.1, 0.9, 4))
    light = 1 + rng.uniform(2, 12) * np.gradient(height)[int(rng.integers(2))]
    return to_bytes(shades[np.digitize(height, bands)] * light[..., np.newaxis])


def landscape(rng: np.random.Generator) -> Image:
    """A sky with clouds over a horizon and a ground."""
    sky = blend(coloured_noise(rng, 2.8), rng.uniform([0, 0.2, 0.4], [0.7, 0.8, 1.0]), rng.uniform(0.6, 1.0, 3))
    ground = blend(coloured_noise(rng, rng.uniform(0.5, 2)), rng.uniform(0, 0.4, 3), rng.uniform(0.2, 0.8, 3))
    ridge = SIDE * (rng.uniform(0.3, 0.8) + 0.3 * (coloured_noise(rng, 3)[0] - 0.5))
    return to_bytes(np.where(np.arange(SIDE)[:, np.newaxis, np.newaxis] < ridge[:, np.newaxis], sky, ground))


def tiling(rng: np.random.Generator) -> Image:
    """Cells around random points, flat or bordered: mosaics, dry mud, foam."""
    nuclei = rng.uniform(0, SIDE, (int(rng.integers(10, 250)), 2))
    y, x = np.mgrid[0:SIDE:2, 0:SIDE:2]
    distances = np.hypot(x[..., np.newaxis] - nuclei[:, 0], y[..., np.newaxis] - nuclei[:, 1])
    nearest = np.partition(distances, 1, axis=-1)
    shades = rng.random((len(nuclei), 3)) * rng.uniform(0.2, 1.0) + (rng.random(3) if rng.random() < 0.5 else 0)
    picture = shades[distances.argmin(axis=-1)]
    if rng.random() < 0.6:
        picture[nearest[..., 1] - nearest[..., 0] < rng.uniform(1, 5)] = rng.random(3)
    return np.asarray(cv2.resize(to_bytes(picture), (SIDE, SIDE)), np.uint8)


FAMILIES = (
    blank,
    gradient,
    blocks,
    spectrum,
    stripes,
    fractal,
    terrain,
    landscape,
    tiling,
)
"""All families of this module. The order is part of the training."""
