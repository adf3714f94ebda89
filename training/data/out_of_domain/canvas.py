"""Building blocks of the generators: smooth noise, spectra, false colours, conversion to bytes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""

Field = NDArray[np.float64]
"""float (256, 256), between 0 and 1 unless stated otherwise."""

SIDE = 256


def to_bytes(values: ArrayLike) -> Image:
    """Convert floats (h, w) or (h, w, 3) to an image; values are clipped to 0-1."""
    clipped = np.clip(np.asarray(values, np.float64), 0.0, 1.0)
    coloured = clipped if clipped.ndim == 3 else np.repeat(clipped[..., np.newaxis], 3, axis=-1)
    return np.round(255.0 * coloured).astype(np.uint8)


def clouds(rng: np.random.Generator, grain: int) -> Field:
    """Return smooth noise with about `grain` bumps along each side."""
    coarse = rng.random((grain, grain))
    return np.clip(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0.0, 1.0)


def coloured_noise(rng: np.random.Generator, exponent: float) -> Field:
    """Return noise whose power falls with frequency to the power `exponent`: 0 is white, 2 resembles a landscape."""
    frequencies = np.hypot(np.fft.fftfreq(SIDE)[:, np.newaxis], np.fft.rfftfreq(SIDE))
    frequencies[0, 0] = np.inf if exponent > 0 else 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * frequencies ** (-exponent / 2)
    return stretched(np.fft.irfft2(spectrum, s=(SIDE, SIDE)))


def stretched(values: Field) -> Field:
    """Stretch to 0-1, clipping half a percent at either end."""
    low, high = np.quantile(values, [0.005, 0.995])
    return np.asarray(np.clip((values - low) / max(float(high - low), 1e-9), 0.0, 1.0))


def colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw a colour."""
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def point(rng: np.random.Generator) -> tuple[int, int]:
    """Draw a pixel, (x, y)."""
    x, y = (int(v) for v in rng.integers(0, SIDE, 2))
    return x, y


def blend(values: Field, low: ArrayLike, high: ArrayLike) -> NDArray[np.float64]:
    """Blend from colour `low` (field 0) to `high` (field 1): float (256, 256, 3)."""
    weight = values[..., np.newaxis]
    return np.asarray((1 - weight) * np.asarray(low) + weight * np.asarray(high))


def painted(values: Field, rng: np.random.Generator) -> Image:
    """Show a field in false colours, drawn from OpenCV's maps."""
    mapped = cv2.applyColorMap(np.round(255 * values).astype(np.uint8), int(rng.integers(0, 22)))
    return np.asarray(mapped[..., ::-1], np.uint8).copy()
