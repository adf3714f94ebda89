"""Label-preserving augmentation of one image: geometry, light and the damage that pictures take on their way.

Everything happens before the recipe, as it does in life: the picture is taken differently, then preprocessed the same.
"""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class AugmentationConfig(BaseModel):
    """How far each change may go; 0 switches it off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation: Annotated[float, Field(ge=0, le=180, description="degrees to either side")] = 10.0
    zoom: Annotated[float, Field(ge=0, lt=1, description="share of the side that is cut off or added")] = 0.15
    shift: Annotated[float, Field(ge=0, lt=1, description="share of the side")] = 0.06
    stretch: Annotated[float, Field(ge=0, lt=1, description="change of the aspect ratio")] = 0.05
    flip_horizontal: bool = False
    flip_vertical: bool = False
    brightness: Annotated[float, Field(ge=0, lt=1, description="share of the full range")] = 0.12
    contrast: Annotated[float, Field(ge=0, lt=1)] = 0.2
    gamma: Annotated[float, Field(ge=0, lt=1, description="exponent between 1-g and 1/(1-g)")] = 0.2
    colour: Annotated[float, Field(ge=0, lt=1, description="gain of each channel")] = 0.0
    tone_curve: Annotated[
        Share, Field(description="strength of a random curve, not monotone: another MRI contrast")
    ] = 0.0
    noise: Annotated[float, Field(ge=0, description="standard deviation in grey levels")] = 4.0
    blur: Annotated[float, Field(ge=0, description="sigma in pixels")] = 1.0
    jpeg: Annotated[Share, Field(description="how often the picture is recompressed, quality 30 to 95")] = 0.3
    erase: Annotated[Share, Field(description="how often a rectangle is painted over, as by a mark")] = 0.3


def augment(image: Image, size: int, config: AugmentationConfig, rng: np.random.Generator) -> Image:
    """A changed copy, uint8 (size, size, 3)."""
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
    """One look-up table per channel, uint8 (256, 1, 3): tone curve, gamma, contrast, brightness, gain."""
    tone = np.linspace(0.0, 1.0, 256)
    if config.tone_curve:
        knots = np.sort(rng.random(3))
        heights = rng.random(5)
        curve = np.interp(tone, np.concatenate([[0.0], knots, [1.0]]), heights)
        curve = np.where(tone < 0.02, tone, curve)  # the background stays dark
        tone += rng.uniform(0.0, config.tone_curve) * (curve - tone)
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
