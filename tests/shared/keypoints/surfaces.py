"""Generated surfaces with enough texture for keypoints, and what a second shot does to them."""

import cv2
import numpy as np

SIDE = 256


def surface(seed: int) -> np.ndarray:
    """uint8 (256, 256, 3): blobs of many sizes, another set for each seed."""
    rng = np.random.default_rng(seed)
    canvas = np.full((SIDE, SIDE), 128, np.uint8)
    for _ in range(220):
        centre = tuple(int(v) for v in rng.integers(0, SIDE, 2))
        cv2.circle(canvas, centre, int(rng.integers(2, 14)), int(rng.integers(0, 256)), -1)
    return np.repeat(cv2.GaussianBlur(canvas, (0, 0), 1.0)[..., np.newaxis], 3, axis=-1)


def turned(view: np.ndarray, degrees: float, scale: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """The view rotated about its middle, scaled and moved."""
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), degrees, scale)
    matrix[:, 2] += np.array(shift)
    return np.asarray(cv2.warpAffine(view, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT), np.uint8)


def darker(view: np.ndarray) -> np.ndarray:
    """The view under less light, with some grain."""
    grain = np.random.default_rng(5).normal(0, 3, view.shape)
    return np.clip(0.6 * view + 20 + grain, 0, 255).astype(np.uint8)
