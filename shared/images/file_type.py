"""Detect the type of a file by its content. File names and declared types are ignored: they may be wrong."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from shared.errors import InvalidInput, UnreadableImage, UnsupportedMediaType


class FileType(StrEnum):
    """The accepted file types. Values are the names of Pillow's formats, except DICOM."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    WEBP = "WEBP"
    BMP = "BMP"
    DICOM = "DICOM"


_ACCEPTED: Final[tuple[tuple[FileType, re.Pattern[bytes]], ...]] = tuple(
    (kind, re.compile(signature, re.DOTALL))
    for kind, signature in (
        # First: the 128 bytes before DICM are free, and may hold a TIFF header of the same picture (PS3.10, 7.1).
        (FileType.DICOM, rb".{128}DICM"),
        (FileType.PNG, rb"\x89PNG\r\n\x1a\n"),
        (FileType.JPEG, rb"\xff\xd8\xff"),
        (FileType.TIFF, rb"II[*+]\x00|MM\x00[*+]"),
        (FileType.WEBP, rb"RIFF.{4}WEBP"),
        (FileType.BMP, rb"BM"),
        # DICOM without a Part 10 header begins with a short element of group 0002 or 0008.
        (FileType.DICOM, rb"[\x02\x08]\x00.\x00.{4}|\x00[\x02\x08]\x00.[A-Z]{2}"),
    )
)

_REFUSED: Final[tuple[tuple[str, re.Pattern[bytes]], ...]] = tuple(
    (name, re.compile(signature, re.DOTALL | re.IGNORECASE))
    for name, signature in (
        ("a PDF", rb"%PDF-"),
        ("a GIF", rb"GIF8[79]a"),
        ("a HEIC, AVIF or MP4 file", rb".{4}ftyp"),
        ("an SVG drawing", rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg[\s/>]"),
        ("an HTML page", rb"\s*<(!doctype )?html"),
        ("XML", rb"\s*<\?xml"),
        ("a zip archive or an Office document", rb"PK(\x03\x04|\x05\x06|\x07\x08)"),
        ("a gzip archive", rb"\x1f\x8b\x08"),
        ("a 7z archive", rb"7z\xbc\xaf\x27\x1c"),
        ("a RAR archive", rb"Rar!\x1a\x07"),
        ("audio or video", rb"RIFF.{4}(AVI |WAVE)|\x1a\x45\xdf\xa3|OggS|FLV\x01|ID3|\x00\x00\x01[\xb3\xba]"),
        ("a JPEG 2000 file", rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"),
        ("a JPEG XL file", rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
        ("a Photoshop file", rb"8BPS"),
        ("a PostScript file", rb"%!PS"),
        ("a NIfTI volume", rb".{344}(n\+1|ni1)\x00"),
        ("a NumPy array", rb"\x93NUMPY"),
    )
)
_HEAD: Final = 1024
"""Bytes at the start of a file in which signatures are searched."""


def detect_file_type(data: bytes) -> FileType:
    """Return the accepted type of a file.

    Raises InvalidInput if the file is empty, UnsupportedMediaType if its type is known but not accepted, and
    UnreadableImage if its type is unknown.
    """
    if not data:
        raise InvalidInput("The file is empty. Send an image.")
    head = data[:_HEAD]
    for kind, signature in _ACCEPTED:
        if signature.match(head):
            return kind
    for name, signature in _REFUSED:
        if signature.match(head):
            raise UnsupportedMediaType(f"The file is {name}. {UnsupportedMediaType.default_detail}")
    raise UnreadableImage
