"""Random changes of one image that keep its identity: geometry, light, and image damage.

They are applied before the recipe, as in service: the image is taken differently, then preprocessed in the same way.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.configuration import AugmentationConfig

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""


def augment(image: Image, size: int, config: AugmentationConfig, rng: np.random.Generator) -> Image:
    """Return a changed copy of `image`, uint8 (size, size, 3)."""
    changed = _warp(image, size, config, rng)
    changed = np.asarray(cv2.LUT(changed, _light(config, rng)), np.uint8)
    if config.erase and rng.random() < config.erase:
        _paint_over(changed, rng)
    return _damage(changed, config, rng)


def _warp(image: Image, size: int, config: AugmentationConfig, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    angle = np.deg2rad(rng.uniform(-config.rotation, config.rotation))
    zoom = np.exp(rng.uniform(-1, 1) * np.log1p(config.zoom))
    stretch = np.exp(rng.uniform(-0.5, 0.5) * np.log1p(config.stretch))
    scale = np.array([size / width * zoom * stretch, size / height * zoom / stretch])
    if config.flip_horizontal and rng.random() < 0.5:
        scale[0] = -scale[0]
    if config.flip_vertical and rng.random() < 0.5:
        scale[1] = -scale[1]
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation * scale
    centre = size / 2 + rng.uniform(-config.shift, config.shift, 2) * size
    matrix = np.column_stack([linear, centre - linear @ [width / 2, height / 2]])
    border = cv2.BORDER_REFLECT_101 if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    return np.asarray(cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)


def _light(config: AugmentationConfig, rng: np.random.Generator) -> Image:
    """Return a look-up table for each channel, uint8 (256, 1, 3): gamma, contrast, brightness, gain."""
    tone = np.linspace(0.0, 1.0, 256)
    exponent = np.exp(rng.uniform(-1, 1) * -np.log1p(-config.gamma))
    tone = np.clip(tone, 0.0, 1.0) ** exponent
    gain = 1.0 + rng.uniform(-config.contrast, config.contrast)
    tone = gain * (tone - 0.5) + 0.5 + rng.uniform(-config.brightness, config.brightness)
    channels = tone[:, np.newaxis] * (1.0 + rng.uniform(-config.colour, config.colour, 3))
    table: Image = np.round(255.0 * np.clip(channels, 0.0, 1.0)).astype(np.uint8)
    return table[:, np.newaxis, :]


def _paint_over(image: Image, rng: np.random.Generator) -> None:
    size = image.shape[0]
    height, width = rng.integers(size // 16, size // 3, 2)
    top, left = rng.integers(0, size - height), rng.integers(0, size - width)
    image[top : top + height, left : left + width] = rng.integers(0, 256)


def _damage(image: Image, config: AugmentationConfig, rng: np.random.Generator) -> Image:
    changed = image
    if config.blur and rng.random() < 0.3:
        changed = np.asarray(cv2.GaussianBlur(changed, (0, 0), rng.uniform(0.3, 0.3 + config.blur)), np.uint8)
    if config.noise and rng.random() < 0.3:
        grain = rng.normal(0.0, rng.uniform(0.0, config.noise), changed.shape[:2])[..., np.newaxis]
        changed = np.clip(np.round(changed + grain), 0, 255).astype(np.uint8)
    if config.jpeg and rng.random() < config.jpeg:
        _, data = cv2.imencode(".jpg", changed, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 96))])
        changed = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return changed
