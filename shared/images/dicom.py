"""Read single-frame DICOM with pydicom.

Only elements that describe the picture are read. Elements that name a patient never become objects of this process.
"""

from __future__ import annotations

import io
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from shared.errors import InvalidInput, UnreadableImage, UnsupportedMediaType
from shared.images.dicom_lut import render_greyscale
from shared.images.intensity import grey_to_rgb, to_uint8
from shared.images.limits import Limits
from shared.images.views import Image

_PALETTE: Final = tuple(
    f"{segmented}{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for segmented, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
_ELEMENTS: Final = (
    "Modality",
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape"),
    *_PALETTE,
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths", "FloatPixelData", "DoubleFloatPixelData", "PixelData"),
)
_PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR: Final = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_CODE: Final = re.compile(r"[A-Z0-9_]{1,16}")


def read_dicom(data: bytes, limits: Limits) -> tuple[Image, str | None]:
    """Return uint8 (h, w, 3) RGB, and Modality (0008,0060) or None if it is missing or malformed.

    pydicom needs a decoder for compressed pixels. This project installs those for JPEG baseline, JPEG 2000 and RLE.
    Overlays and colour profiles are ignored.

    Raises errors of `shared.errors` if the file is refused, and any error of pydicom if the file is broken.
    """
    dataset = _read(data)
    if not any(keyword in dataset for keyword in _PIXELS):
        raise UnreadableImage("The DICOM file holds no pixels. Send one that holds an image.")
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise InvalidInput("The DICOM file holds several frames. Send each as a file of its own.")
    limits.check(dataset.Rows, dataset.Columns)
    _check_decodable(dataset)
    return _to_rgb(pixel_array(dataset), dataset), _modality(dataset)


def _read(data: bytes) -> Dataset:
    if DeflatedExplicitVRLittleEndian.encode() in data:
        # A deflated data set is inflated completely before any element can be checked.
        raise UnsupportedMediaType("Deflated DICOM is not accepted. Send it in another transfer syntax.")
    dataset = dcmread(io.BytesIO(data), force=True, specific_tags=list(_ELEMENTS))
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = _native_syntax(dataset)
    return dataset


def _native_syntax(dataset: Dataset) -> UID:
    """Return the uncompressed transfer syntax that pydicom detected, for files that state none."""
    implicit, little_endian = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian


def _check_decodable(dataset: Dataset) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise UnsupportedMediaType(
            "The DICOM transfer syntax is not accepted. Send it uncompressed, or as JPEG baseline, JPEG 2000 or RLE."
        )
    if dataset.PhotometricInterpretation not in _GREY | _COLOUR | {"PALETTE COLOR"}:
        raise UnsupportedMediaType(
            "The photometric interpretation of the DICOM file is not accepted. Send grey values, RGB or YBR."
        )


def _to_rgb(stored: NDArray[Any], dataset: Dataset) -> Image:
    photometric = dataset.PhotometricInterpretation
    if photometric in _GREY:
        return grey_to_rgb(render_greyscale(stored, dataset))
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)[..., :3]
        return _colour_to_8_bit(colours, int(dataset.RedPaletteColorLookupTableDescriptor[2]))
    return _colour_to_8_bit(stored, int(dataset.BitsStored))  # pydicom has converted YBR to RGB


def _colour_to_8_bit(colours: NDArray[Any], bits: int) -> Image:
    """Return uint8 (h, w, 3) for unsigned colours (h, w, 3) with `bits` significant bits."""
    if colours.ndim != 3 or colours.shape[2] != 3:
        raise ValueError("a colour image has three samples per pixel")
    if bits == 8:
        return colours.astype(np.uint8)
    return to_uint8(colours, lambda block: np.clip(block / np.float32(2**bits - 1), 0, 1))


def _modality(dataset: Dataset) -> str | None:
    code = str(dataset.get("Modality") or "").strip()
    return code if _CODE.fullmatch(code) else None
