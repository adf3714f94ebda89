"""From uploaded bytes to one RGB image."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import MedReIDError, UnreadableImage
from shared.images.decoder_warnings import silence_decoders
from shared.images.dicom import read_dicom
from shared.images.file_type import FileType, detect_file_type
from shared.images.limits import DEFAULT_LIMITS, Limits
from shared.images.raster import read_raster
from shared.images.views import Image


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An upload, decoded: `pixels` is uint8 (h, w, 3) RGB; `dicom_modality` is (0008,0060) where it was DICOM."""

    pixels: Image
    dicom_modality: str | None = None


def decode_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> DecodedImage:
    """Decode PNG, JPEG, TIFF, WebP, BMP or single-frame DICOM; the content alone decides which it is.

    Blocks for up to some seconds on the largest images: call it in a thread. Raises nothing outside `shared.errors`:

    - InvalidInput: no bytes, or several frames or pages;
    - UnreadableImage: no image, truncated, corrupt, or DICOM without pixels;
    - UnsupportedMediaType: recognised, but not accepted;
    - PayloadTooLarge: more pixels than `limits` allow, as the header states before anything is decoded.
    """
    kind = detect_file_type(data)
    try:
        with silence_decoders():
            if kind is FileType.DICOM:
                return DecodedImage(*read_dicom(data, limits))
            return DecodedImage(read_raster(data, kind, limits))
    except MedReIDError:
        raise
    except Exception:  # what the decoders raise on hostile bytes has no common base and may quote the file
        raise UnreadableImage from None
