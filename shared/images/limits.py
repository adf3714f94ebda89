"""Limits on the size of an image, checked against its header before decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.errors import PayloadTooLarge, UnreadableImage


@dataclass(frozen=True)
class Limits:
    """Limits on one image."""

    max_pixels: int = 100_000_000

    def check(self, height: int, width: int) -> None:
        """Raise UnreadableImage if the header states no size, PayloadTooLarge if it states too many pixels."""
        if height < 1 or width < 1:
            raise UnreadableImage("The header of the image states no size. Send a complete image file.")
        if height * width > self.max_pixels:
            raise PayloadTooLarge(
                f"The image has more than {self.max_pixels / 1e6:g} megapixels. Send it at a lower resolution."
            )


DEFAULT_LIMITS: Final = Limits()
"""100 megapixels: five times a 35 mm film frame at 4000 dpi."""
