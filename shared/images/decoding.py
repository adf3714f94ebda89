"""Decode uploaded bytes to one RGB image."""

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
    """A decoded upload: `pixels` is uint8 (h, w, 3) RGB; `dicom_modality` is Modality (0008,0060) of DICOM."""

    pixels: Image
    dicom_modality: str | None = None


def decode_image(data: bytes, limits: Limits = DEFAULT_LIMITS) -> DecodedImage:
    """Decode PNG, JPEG, TIFF, WebP, BMP or single-frame DICOM. The content alone decides the type.

    The largest images take seconds: call it in a thread. It raises only errors of `shared.errors`:

    - InvalidInput: no bytes, or several frames or pages;
    - UnreadableImage: no image, truncated, corrupt, or DICOM without pixels;
    - UnsupportedMediaType: a known type that is not accepted;
    - PayloadTooLarge: the header states more pixels than `limits` allow.
    """
    kind = detect_file_type(data)
    try:
        with silence_decoders():
            if kind is FileType.DICOM:
                return DecodedImage(*read_dicom(data, limits))
            return DecodedImage(read_raster(data, kind, limits))
    except MedReIDError:
        raise
    except Exception:  # errors of the decoders have no common base and may quote the file
        raise UnreadableImage from None
