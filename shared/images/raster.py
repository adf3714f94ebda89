"""PNG, JPEG, TIFF, WebP and BMP, by Pillow."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageChops, ImageOps
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

from shared.errors import InvalidInput, PayloadTooLarge
from shared.images.file_type import FileType
from shared.images.intensity import grey_to_rgb, invert, percentile_stretch, subsample, to_uint8
from shared.images.limits import Limits
from shared.images.views import Image

_DEEP_GREY: Final = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
"""Pillow's modes of one channel with more than 8 bits."""
_WHITE_IS_ZERO: Final = 0


def read_raster(data: bytes, kind: FileType, limits: Limits) -> Image:
    """uint8 (h, w, 3) RGB, upright as EXIF says.

    - Grey with more than 8 bits is stretched between its 0.5th and 99.5th percentile (`tones.stretch`); colour with 16
      bits a channel keeps the upper 8.
    - Transparent pixels are laid over black, the background of medical images.
    - CMYK is converted without colour management; colour profiles are ignored.
    - Several pages or frames are refused: which of them is meant, only the caller knows. The preview pictures that
      cameras append to a JPEG (MPO) are no frames; the main picture is read.

    Raises errors of `shared.errors` for what is refused, and whatever Pillow raises where the file is broken.
    """
    try:
        image = Pillow.open(io.BytesIO(data), formats=(kind.value,))
    except Pillow.DecompressionBombError:
        raise PayloadTooLarge("The image has too many pixels. Send it at a lower resolution.") from None
    with image:
        limits.check(image.height, image.width)
        if kind is not FileType.JPEG and _has_more_frames(image):
            raise InvalidInput("The file holds several pages or frames. Send each as an image of its own.")
        image.load()
        return _to_rgb(image)


def _has_more_frames(image: Pillow.Image) -> bool:
    if not isinstance(image, TiffImageFile):
        return getattr(image, "n_frames", 1) > 1
    try:  # counting the pages of a TIFF would follow a chain of any length
        image.seek(1)
    except EOFError:
        return False
    return True


def _to_rgb(image: Pillow.Image) -> Image:
    white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    not_inverted = image.format == "JPEG" and "adobe" not in image.info
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "CMYK" and not_inverted:
        # Pillow takes every CMYK JPEG as Adobe writes it, inverted; without Adobe's marker it is not.
        image = ImageChops.invert(image)
    if image.mode in _DEEP_GREY:
        values = np.asarray(image)
        tone = percentile_stretch(subsample(values))
        return grey_to_rgb(to_uint8(values, invert(tone) if white_is_zero else tone))
    if image.has_transparency_data:
        image = _over_black(image if image.mode == "RGBA" else image.convert("RGBA"))
    # Pillow copies on every conversion, which for 100 megapixels are 400 MB
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def _over_black(image: Pillow.Image) -> Pillow.Image:
    black = Pillow.new("RGB", image.size)
    black.paste(image, mask=image)
    return black
