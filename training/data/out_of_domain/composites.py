"""Composites of two modalities, which belong to neither: shuffled tiles, two or four in one, small on a page."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.out_of_domain.canvas import SIDE, Image
from training.data.out_of_domain.printed_pages import page, screen


def shuffled(first: Image, _second: Image, rng: np.random.Generator) -> Image:
    """The tiles of a picture in another order: its texture and colour without its anatomy."""
    tiles = int(rng.integers(3, 7))
    side = SIDE // tiles
    square = np.asarray(cv2.resize(first, (side * tiles, side * tiles)), np.uint8)
    parts = square.reshape(tiles, side, tiles, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    mixed = parts[rng.permutation(len(parts))].reshape(tiles, tiles, side, side, 3).swapaxes(1, 2)
    return np.ascontiguousarray(mixed.reshape(side * tiles, side * tiles, 3))


def side_by_side(first: Image, second: Image, rng: np.random.Generator) -> Image:
    """Two modalities in one picture, as a slide or a viewer shows them; each whole or cut at the seam."""
    whole = rng.random() < 0.5
    cut = int(SIDE * rng.uniform(0.4, 0.6))
    left, right = (_square(p) for p in (first, second))
    if whole:
        joined = np.hstack([cv2.resize(left, (cut, SIDE)), cv2.resize(right, (SIDE - cut, SIDE))])
    else:
        joined = np.hstack([left[:, :cut], right[:, cut:]])
    return np.ascontiguousarray(np.rot90(joined, int(rng.integers(4))))


def quarters(first: Image, second: Image, rng: np.random.Generator) -> Image:
    """Four views, of two modalities."""
    half = SIDE // 2
    views = [cv2.resize(p, (half, half)) for p in (first, second)]
    order = rng.permutation([0, 1, 0, 1])
    rows = [np.hstack([views[i] for i in order[at : at + 2]]) for at in (0, 2)]
    return np.ascontiguousarray(np.vstack(rows))


def on_a_page(first: Image, _second: Image, rng: np.random.Generator) -> Image:
    """A small picture on a report page or in a window: too small to identify a person."""
    canvas = page(rng) if rng.random() < 0.6 else screen(rng)
    side = int(SIDE * rng.uniform(0.25, 0.45))
    top, left = (int(v) for v in rng.integers(0, SIDE - side, 2))
    canvas[top : top + side, left : left + side] = cv2.resize(first, (side, side), interpolation=cv2.INTER_AREA)
    return canvas


def _square(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
