"""Controls: what must *not* identify anybody. A model that finds patients here has not learned anatomy."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image
from training.evaluation.scorers import EmbeddingScorer, ShippedModel

GREY = 128
MASKED = 1.2
"""Axes of the masked ellipse, as shares of the picture: an eye's disc, a slice's body or head and most of the skin that
surrounds a lesion lie inside, the corners remain. A smaller ellipse leaves outlines, and an outline is anatomy."""


class BackgroundOnly(EmbeddingScorer):
    """The shipped model on pictures whose anatomy is masked out by even grey: it should fall close to chance."""

    def __init__(self, model: ShippedModel, root: Path) -> None:
        super().__init__("control: background only", root)
        self._model = model

    def embed(self, image: Image) -> NDArray[np.float32]:
        """As the model embeds it, without what is in the middle."""
        return self._model.embed(mask_centre(image, MASKED))


def mask_centre(image: Image, share: float) -> Image:
    """A copy of uint8 (h, w, 3) with an ellipse of even grey, whose axes are `share` of width and height."""
    height, width = image.shape[:2]
    masked = image.copy()
    axes = (round(share * width / 2), round(share * height / 2))
    cv2.ellipse(masked, (width // 2, height // 2), axes, 0, 0, 360, (GREY, GREY, GREY), cv2.FILLED)
    return masked
