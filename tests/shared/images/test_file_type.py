"""A file is what its content says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shared.errors import InvalidInput, UnreadableImage, UnsupportedMediaType
from shared.images.file_type import FileType, detect_file_type
from shared.images.views import Image


@pytest.mark.parametrize("kind", [kind for kind in FileType if kind is not FileType.DICOM])
def test_pictures_are_recognised(kind: FileType, photo: Image, save: Callable[..., bytes]) -> None:
    assert detect_file_type(save(photo, kind.value)) is kind


@pytest.mark.parametrize("part10", [True, False])
def test_dicom_is_recognised_with_and_without_its_header(part10: bool, make_dicom: Callable[..., bytes]) -> None:
    assert detect_file_type(make_dicom(np.zeros((4, 4), dtype=np.uint8), part10=part10)) is FileType.DICOM


def test_a_dicom_file_whose_preamble_is_a_tiff_header_is_dicom() -> None:
    assert detect_file_type(b"II*\x00".ljust(128, b"\x00") + b"DICM") is FileType.DICOM


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"GIF89a\x01\x00", "GIF"),
        (b"\x00\x00\x00\x18ftypheic", "HEIC"),
        (b"\x00\x00\x00\x20ftypisom", "MP4"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"  <svg/>", "SVG"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b'<?xml version="1.0"?><a/>', "XML"),
        (b"PK\x03\x04\x14\x00", "zip"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07\x00", "RAR"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "video"),
        (b"\x1a\x45\xdf\xa3", "video"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x0a\x00", "JPEG XL"),
        (b"8BPS\x00\x01", "Photoshop"),
        (b"%!PS-Adobe", "PostScript"),
        (bytes(344) + b"n+1\x00", "NIfTI"),
        (b"\x93NUMPY\x01\x00", "NumPy"),
    ],
)
def test_known_types_that_are_not_accepted_are_named(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=name) as refusal:
        detect_file_type(data)
    assert "Send PNG" in refusal.value.detail


def test_an_empty_file_is_invalid() -> None:
    with pytest.raises(InvalidInput, match="empty") as refusal:
        detect_file_type(b"")
    assert not isinstance(refusal.value, UnreadableImage)


@pytest.mark.parametrize("data", [b"\x00", b"hello", bytes(1000), b"RIFF\x00\x00\x00\x00????"])
def test_bytes_that_are_nothing_known_are_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        detect_file_type(data)
