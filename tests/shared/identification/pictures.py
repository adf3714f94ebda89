"""Pictures of generated patients for the tiny identifier, whose network sees 8 x 8 pixels."""

import numpy as np


def picture(person: int, size: int = 224) -> np.ndarray:
    """uint8 (size, size, 3): every person is a pattern of 8 x 8 tiles."""
    tiles = np.random.default_rng(person).integers(0, 256, (8, 8, 3), np.uint8)
    return tiles.repeat(size // 8, axis=0).repeat(size // 8, axis=1)


def like(person: int, noise: float = 8.0) -> np.ndarray:
    """Another picture of the person."""
    grain = np.random.default_rng(person + 1000).normal(0, noise, (224, 224, 3))
    return np.clip(picture(person) + grain, 0, 255).astype(np.uint8)
