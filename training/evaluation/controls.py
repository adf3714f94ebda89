"""Controls: what must *not* identify anybody. A model that finds patients here has not learned anatomy."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.images.views import Image
from training.evaluation.scorers import EmbeddingScorer, ShippedModel

GREY = 128
CENTRAL = 0.8
"""Axes of the ellipse that is masked, as shares of the picture: a slice's body or head, or a lesion."""
FUNDUS = 0.98
"""The same for the disc of a fundus picture, which fills it: corners and rim remain."""


class BackgroundOnly(EmbeddingScorer):
    """The shipped model on pictures whose anatomy is masked out: it should fall close to chance.

    The mask is an ellipse of even grey in the middle. On skin what remains is skin, which belongs to the patient too:
    there, better than chance is no proof of a short cut.
    """

    def __init__(self, model: ShippedModel, modality: str, root: Path) -> None:
        super().__init__("control: background only", root)
        self._model = model
        self._share = FUNDUS if modality == "fundus" else CENTRAL

    def embed(self, image: Image) -> NDArray[np.float32]:
        """As the model embeds it, without what is in the middle."""
        return self._model.embed(mask_centre(image, self._share))


def mask_centre(image: Image, share: float) -> Image:
    """A copy of uint8 (h, w, 3) with an ellipse of even grey, whose axes are `share` of width and height."""
    height, width = image.shape[:2]
    masked = image.copy()
    axes = (round(share * width / 2), round(share * height / 2))
    cv2.ellipse(masked, (width // 2, height // 2), axes, 0, 0, 360, (GREY, GREY, GREY), cv2.FILLED)
    return masked
