"""Read PNG, JPEG, TIFF, WebP and BMP with Pillow."""

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
    """Return uint8 (h, w, 3) RGB, rotated as EXIF says.

    - Grey with more than 8 bits is stretched between its 0.5th and 99.5th percentile (`percentile_stretch`). Colour
      with 16 bits per channel keeps the upper 8.
    - Transparent pixels become black, the background of medical images.
    - CMYK is converted without colour management; colour profiles are ignored.
    - Several pages or frames are refused: only the caller knows which one is meant. Preview pictures in a JPEG (MPO)
      are not frames; the main picture is read.

    Raises errors of `shared.errors` if the file is refused, and any error of Pillow if the file is broken.
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
    try:  # n_frames would follow a chain of pages of any length
        image.seek(1)
    except EOFError:
        return False
    return True


def _to_rgb(image: Pillow.Image) -> Image:
    white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO
    not_inverted = image.format == "JPEG" and "adobe" not in image.info
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "CMYK" and not_inverted:
        # Pillow takes every CMYK JPEG for inverted, as Adobe writes it. Without Adobe's marker it is not inverted.
        image = ImageChops.invert(image)
    if image.mode in _DEEP_GREY:
        values = np.asarray(image)
        mapping = percentile_stretch(subsample(values))
        return grey_to_rgb(to_uint8(values, invert(mapping) if white_is_zero else mapping))
    if image.has_transparency_data:
        image = _over_black(image if image.mode == "RGBA" else image.convert("RGBA"))
    # every conversion of Pillow copies, up to 400 MB at 100 megapixels
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def _over_black(image: Pillow.Image) -> Pillow.Image:
    black = Pillow.new("RGB", image.size)
    black.paste(image, mask=image)
    return black
