"""Whatever the bytes are, the answer is an image or an error of ours."""

from __future__ import annotations

import functools
import io
from pathlib import Path

import numpy as np
import pydicom
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from shared.errors import InvalidInput, PayloadTooLarge, UnsupportedMediaType
from shared.images.decoding import decode_image
from shared.images.limits import Limits

_DICOM = Path(pydicom.__file__).parent / "data" / "test_files"
_BUNDLED = (
    *("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_implicit.dcm"),
    *("SC_rgb_small_odd_jpeg.dcm", "SC_rgb_small_odd.dcm", "SC_rgb_jpeg_dcmtk.dcm"),
)

MAGIC_NUMBERS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"BM"),
    *(b"\x08\x00\x05\x00CS", bytes(128) + b"DICM"),
)


@functools.cache
def _valid_files() -> list[bytes]:
    colour = np.random.default_rng(11).integers(0, 256, (12, 9, 4), dtype=np.uint8)
    deep = np.arange(108, dtype=np.uint16).reshape(12, 9) * 300
    exif = Pillow.Exif()
    exif[0x0112] = 6
    pictures = [(Pillow.fromarray(colour), f) for f in ("PNG", "TIFF", "WEBP")]
    pictures += [(Pillow.fromarray(deep), f) for f in ("PNG", "TIFF")]
    pictures += [(Pillow.fromarray(colour[..., :3]), f) for f in ("JPEG", "BMP")]
    pictures += [(Pillow.fromarray(colour[..., :3]).convert("CMYK"), f) for f in ("JPEG", "TIFF")]
    pictures += [(Pillow.fromarray(colour[..., :3]).convert("P"), "PNG")]
    files = []
    for picture, file_format in pictures:
        buffer = io.BytesIO()
        picture.save(buffer, file_format, exif=exif)
        files.append(buffer.getvalue())
    return files + [(_DICOM / name).read_bytes() for name in _BUNDLED]


def _decode_or_refuse(data: bytes) -> None:
    try:
        decoded = decode_image(data, Limits(max_pixels=1_000_000))
    except (InvalidInput, UnsupportedMediaType, PayloadTooLarge):
        return
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.ndim == 3
    assert decoded.pixels.shape[2] == 3


def test_every_file_that_is_going_to_be_damaged_is_valid() -> None:
    assert all(decode_image(data).pixels.size for data in _valid_files())


@settings(max_examples=600, deadline=None)
@given(
    file=st.integers(0, 16),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
)
def test_a_damaged_file_is_an_image_or_is_refused(file: int, edits: list[tuple[float, int]], keep: float) -> None:
    damaged = bytearray(_valid_files()[file])
    for position, value in edits:
        damaged[int(position**3 * (len(damaged) - 1))] = value  # more often in the headers
    _decode_or_refuse(bytes(damaged[: int(keep * len(damaged))]))


@settings(max_examples=500, deadline=None)
@given(
    head=st.sampled_from([b"", *MAGIC_NUMBERS]),
    tail=st.binary(max_size=400),
)
def test_random_bytes_after_a_magic_number_raise_no_other_error(head: bytes, tail: bytes) -> None:
    _decode_or_refuse(head + tail)
