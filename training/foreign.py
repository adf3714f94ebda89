"""Generated pictures of nothing that the system knows: what COMPA must refuse besides the foreign pictures of a bundle.

Families: blank and noise, report pages, screens, cells under a microscope, ultrasound-like sectors, crops of
photographs and textures (twice as often), and pictures of the modalities cut into tiles and shuffled (texture without
anatomy).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.images.decoding import decode_image

Image = NDArray[np.uint8]
"""uint8 (h, w, 3), RGB."""

SIDE = 256
PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "coins.png", "grass.png"),
    *("gravel.png", "horse.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "page.png", "rocket.jpg"),
)
WORDS = ("Findings", "Impression", "Exam", "History", "Report", "no acute", "stable", "follow-up", "normal", "1.2 cm")


def draw_foreign(rng: np.random.Generator, picture: Image) -> Image:
    """One foreign picture, uint8 (h, w, 3), about 256 pixels a side; `picture` is of a modality, to be shuffled."""
    choice = int(rng.integers(len(FAMILIES) + 1))
    return FAMILIES[choice](rng) if choice < len(FAMILIES) else shuffled(picture, rng)


def blank_or_noise(rng: np.random.Generator) -> Image:
    """A flat colour, a gradient, or noise of some grain, in colour or grey."""
    grain = int(2 ** rng.integers(0, 8))
    coarse = rng.random((max(1, SIDE // grain), max(1, SIDE // grain), 3 if rng.random() < 0.6 else 1))
    values = rng.random() + rng.random() * (np.broadcast_to(coarse, (*coarse.shape[:2], 3)) - 0.5)
    interpolation = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_NEAREST
    return _bytes(cv2.resize(values, (SIDE, SIDE), interpolation=interpolation))


def page(rng: np.random.Generator) -> Image:
    """A page of text, sometimes with a table or a picture frame, on paper or inverted."""
    paper = float(rng.uniform(200, 255))
    canvas = np.full((SIDE, SIDE, 3), paper, np.uint8)
    ink = tuple(int(v) for v in rng.integers(0, 90, 3))
    line, y = int(rng.integers(8, 20)), int(rng.integers(10, 40))
    while y < SIDE - 8:
        text = " ".join(rng.choice(WORDS, int(rng.integers(1, 6))))
        cv2.putText(
            canvas, text, (int(rng.integers(4, 40)), y), cv2.FONT_HERSHEY_SIMPLEX, line / 34, ink, 1, cv2.LINE_AA
        )
        y += line + int(rng.integers(0, 2) * line)
    for _ in range(int(rng.integers(0, 4))):
        corner, other = (tuple(int(v) for v in rng.integers(0, SIDE, 2)) for _ in range(2))
        cv2.rectangle(canvas, corner, other, ink, 1)
    return canvas if rng.random() < 0.8 else 255 - canvas


def screen(rng: np.random.Generator) -> Image:
    """Windows, buttons and a chart in flat colours."""
    canvas = np.full((SIDE, SIDE, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(int(rng.integers(4, 25))):
        left, top = rng.integers(0, SIDE, 2)
        width, height = rng.integers(8, SIDE, 2)
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        cv2.rectangle(canvas, (int(left), int(top)), (int(left + width), int(top + height // 2)), colour, -1)
    points = np.column_stack([np.linspace(0, SIDE, 12), rng.uniform(0, SIDE, 12)]).astype(np.int32)
    cv2.polylines(canvas, [points], False, tuple(int(v) for v in rng.integers(0, 256, 3)), 2, cv2.LINE_AA)  # noqa: FBT003
    return canvas


def cells(rng: np.random.Generator) -> Image:
    """Dark nuclei in a lighter tissue, at any magnification and of any stain."""
    ground = _clouds(rng, int(rng.integers(4, 40)))[..., np.newaxis]
    tissue, gap = rng.uniform(0.4, 1.0, 3), rng.uniform(0.75, 1.0, 3)
    canvas = np.ascontiguousarray(ground * tissue + (1 - ground) * gap)
    nucleus, radius = rng.uniform(0.1, 0.6, 3), rng.uniform(1.5, 9.0)
    for _ in range(int(rng.uniform(0.2, 1.0) * 2500 / radius**1.5)):
        centre = tuple(int(v) for v in rng.integers(0, SIDE, 2))
        axes = tuple(int(v) for v in np.maximum(1, radius * rng.uniform(0.6, 1.4, 2)))
        shade = nucleus * rng.uniform(0.7, 1.3)
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, shade.tolist(), -1, cv2.LINE_AA)
    return _bytes(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.4, 1.5)))


def sector(rng: np.random.Generator) -> Image:
    """Grey speckle inside a fan on black, as ultrasound shows it."""
    speckle = _clouds(rng, int(rng.integers(2, 16))) * rng.rayleigh(0.6, (SIDE, SIDE))
    fan = np.zeros((SIDE, SIDE))
    half = float(rng.uniform(25, 70))
    apex = (SIDE // 2, int(rng.integers(-30, 20)))
    cv2.ellipse(fan, apex, (SIDE, SIDE), 90, -half, half, 1.0, -1)
    grey = cv2.GaussianBlur(speckle * fan, (0, 0), rng.uniform(0.5, 1.5))
    return _bytes(np.repeat(grey[..., np.newaxis], 3, axis=-1))


def shuffled(picture: Image, rng: np.random.Generator) -> Image:
    """The tiles of a picture in another order: its texture and colour without its anatomy."""
    tiles = int(rng.integers(3, 7))
    side = SIDE // tiles
    square = np.asarray(cv2.resize(picture, (side * tiles, side * tiles)), np.uint8)
    parts = square.reshape(tiles, side, tiles, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    mixed = parts[rng.permutation(len(parts))].reshape(tiles, tiles, side, side, 3).swapaxes(1, 2)
    return np.ascontiguousarray(mixed.reshape(side * tiles, side * tiles, 3))


def photograph(rng: np.random.Generator) -> Image:
    """A crop, at any turn, of one of the photographs, textures and micrographs that come with scikit-image."""
    picture = _photographs()[int(rng.integers(len(PHOTOGRAPHS)))]
    side = int(min(picture.shape[:2]) * rng.uniform(0.25, 1.0))
    top, left = (int(rng.integers(0, length - side + 1)) for length in picture.shape[:2])
    crop = np.rot90(picture[top : top + side, left : left + side], int(rng.integers(4)))
    return np.asarray(cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _photographs() -> tuple[Image, ...]:
    """uint8 (h, w, 3) each, RGB; they are in the wheel, nothing is fetched."""
    folder = resources.files("skimage.data")
    return tuple(decode_image(folder.joinpath(name).read_bytes()).pixels for name in PHOTOGRAPHS)


FAMILIES: tuple[Callable[[np.random.Generator], Image], ...] = (
    blank_or_noise,
    page,
    screen,
    cells,
    sector,
    photograph,
    photograph,
)


def _clouds(rng: np.random.Generator, grain: int) -> NDArray[np.float64]:
    """Smooth noise between 0 and 1, float (256, 256)."""
    coarse = rng.random((grain, grain))
    return np.clip(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0.0, 1.0)


def _bytes(values: ArrayLike) -> Image:
    return np.round(255.0 * np.clip(np.asarray(values, np.float64), 0.0, 1.0)).astype(np.uint8)
