"""Parts of all phantoms: coordinates, noise, soft shapes, and the conversion of fields to pixels.

Fields are float (size, size). Everything is drawn at `OVERSAMPLING` times the final size and reduced by area, so that
edges are as soft as a detector's.
"""

from __future__ import annotations

import math
import zlib
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.floating[Any]]
"""float (size, size)."""
Colour = NDArray[np.floating[Any]]
"""float (size, size, 3), RGB, 0 to 1."""
Picture = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""
Rng = np.random.Generator

OVERSAMPLING: Final = 2


def generator(modality: str, seed: int) -> Rng:
    """Return the random generator of one patient. The same seed gives unrelated patients in different modalities."""
    return np.random.default_rng([zlib.crc32(modality.encode()), seed])


def coordinates(size: int) -> tuple[Field, Field]:
    """Return x to the right and y downwards, each -1 to 1 over the picture."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    x, y = np.meshgrid(axis, axis)
    return x, y


def fbm(rng: Rng, size: int, wavelength: float, octaves: int = 4, gain: float = 0.5) -> Field:
    """Return fractal noise, mean 0 and standard deviation 1: `octaves` layers, each half as long, `gain` as strong."""
    total: Field = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        length = wavelength / 2**octave
        if length < 1.5:
            break
        total += gain**octave * _lattice_noise(rng, size, length)
    return standardised(total)


def _lattice_noise(rng: Rng, size: int, length: float) -> Field:
    """Return random values every `length` pixels, at a random offset, with a cubic spline between them."""
    count = math.ceil(size / length) + 4
    values = rng.standard_normal((count, count), dtype=np.float32)
    across, down = rng.uniform(1, 2, 2)
    axis = np.arange(size, dtype=np.float32) / np.float32(length)
    u, v = np.meshgrid(axis + np.float32(across), axis + np.float32(down))
    return np.asarray(cv2.remap(values, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.float32)


def labyrinth(rng: Rng, size: int, wavelength: float) -> Field:
    """Return noise of one scale, mean 0 and standard deviation 1: its zero lines wind at about half a `wavelength`."""
    white = rng.standard_normal((size, size), dtype=np.float32)
    return standardised(blurred(white, wavelength * 0.16) - blurred(white, wavelength * 0.26))


def cells(rng: Rng, size: int, spacing: float, jitter: float = 0.8) -> tuple[Field, Field]:
    """Return distances (pixels) to the nearest and second nearest of points about `spacing` apart (Worley noise)."""
    count = math.ceil(size / spacing) + 3
    points = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1) + 0.5
    points = ((points + jitter * (rng.random(points.shape) - 0.5) - 1) * spacing).astype(np.float32)
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    column, row = (x / spacing).astype(np.intp) + 1, (y / spacing).astype(np.intp) + 1
    first: Field = np.full((size, size), np.inf, np.float32)
    second = first.copy()
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            near = points[row + down, column + across]
            distance = np.hypot(near[..., 0] - x, near[..., 1] - y)
            second = np.minimum(second, np.maximum(first, distance))
            first = np.minimum(first, distance)
    return first, second


def standardised(field: Field) -> Field:
    """Return the field with mean 0 and standard deviation 1."""
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def blurred(field: NDArray[Any], sigma: float) -> Field:
    """Apply a Gaussian blur of `sigma` pixels; none below a quarter of one."""
    if sigma < 0.25:
        return np.asarray(field, np.float32)
    return np.asarray(cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def warped(field: Field, dx: Field, dy: Field) -> Field:
    """Return the field sampled at an offset of (dx, dy) pixels."""
    x, y = np.meshgrid(np.arange(field.shape[1], dtype=np.float32), np.arange(field.shape[0], dtype=np.float32))
    u, v = np.asarray(x + dx, np.float32), np.asarray(y + dy, np.float32)
    return np.asarray(cv2.remap(field, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def ellipse(
    x: Field, y: Field, centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0, power: float = 2.0
) -> Field:
    """Return a superellipse as a field that is 0 in its centre and 1 on its outline; `angle` in radians, clockwise."""
    u, v = x - centre[0], y - centre[1]
    c, s = math.cos(angle), math.sin(angle)
    a, b = np.abs(u * c + v * s) / radii[0], np.abs(v * c - u * s) / radii[1]
    return np.asarray((a**power + b**power) ** (1 / power), np.float32)


def wobble(rng: Rng, angle: Field, strength: float, harmonics: int = 7, decay: float = 1.0) -> Field:
    """Return a closed random function of `angle` (radians) with standard deviation about `strength`."""
    orders = np.arange(2, 2 + harmonics)
    weights = rng.standard_normal(harmonics) / (orders - 1.0) ** decay
    weights *= strength * math.sqrt(2) / max(float(np.linalg.norm(weights)), 1e-6)
    phases = rng.uniform(0, 2 * math.pi, harmonics)
    waves = (w * np.cos(n * angle + p) for w, n, p in zip(weights, orders, phases, strict=True))
    return np.asarray(sum(waves), np.float32)


def inside(radius: ArrayLike, softness: float) -> Field:
    """Return 1 for a `radius` under 1 and 0 for one over 1, with an edge `softness` wide."""
    return smooth((1 - np.asarray(radius)) / softness + 0.5)


def smooth(value: ArrayLike) -> Field:
    """Return 0 below 0, 1 above 1, and a smooth step between."""
    t = np.clip(np.asarray(value, np.float32), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def mixed(below: NDArray[Any], above: ArrayLike, mask: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Blend `above` over `below` by `mask` (1: only `above`). A field as mask works on colours too."""
    if below.ndim == 3 and mask.ndim == 2:
        mask = mask[..., None]
    return np.asarray(below + (np.asarray(above, np.float32) - below) * mask, np.float32)


def absorbed(colour: Colour, amount: Field, spectrum: tuple[float, float, float]) -> Colour:
    """Return the light behind `amount` of a pigment that absorbs `spectrum` of red, green and blue (Beer-Lambert)."""
    return np.asarray(colour * np.exp(-amount[..., None] * np.asarray(spectrum, np.float32)), np.float32)


def reduced(colour: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Reduce to the final size, by area."""
    height, width = colour.shape[:2]
    size = (width // OVERSAMPLING, height // OVERSAMPLING)
    return np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA), np.float32)


def sharpened(values: NDArray[Any], amount: float, sigma: float = 1.0) -> NDArray[np.floating[Any]]:
    """Apply unsharp masking, as cameras and scanners do."""
    return np.asarray(values + amount * (values - blurred(values, sigma)), np.float32)


def picture(values: NDArray[Any]) -> Picture:
    """Return grey or RGB values of 0 to 1 as uint8 RGB."""
    pixels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
