"""PNG, JPEG, TIFF, WebP and BMP in all their variants become upright 8-bit RGB."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import Image as Pillow

from shared.errors import InvalidInput, PayloadTooLarge, UnreadableImage
from shared.images.decoding import decode_image
from shared.images.limits import Limits
from shared.images.views import Image

Save = Callable[..., bytes]
_ORIENTATION = 0x0112


def _pixels(data: bytes) -> Image:
    decoded = decode_image(data)
    assert decoded.dicom_modality is None
    assert decoded.pixels.dtype == np.uint8
    return decoded.pixels


def _grey(data: bytes) -> NDArray[np.uint8]:
    pixels = _pixels(data)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        *(("TIFF", {"compression": compression}) for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits")),
    ],
)
def test_lossless_formats_keep_every_pixel(file_format: str, options: dict[str, Any], photo: Image, save: Save) -> None:
    np.testing.assert_array_equal(_pixels(save(photo, file_format, **options)), photo)


@pytest.mark.parametrize("progressive", [True, False])
def test_jpeg_is_close_to_the_original(progressive: bool, photo: Image, save: Save) -> None:
    decoded = _pixels(save(photo, "JPEG", quality=95, subsampling=0, progressive=progressive))
    assert np.abs(decoded.astype(int) - photo).mean() < 4


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda image: image),
        (2, lambda image: image[:, ::-1]),
        (3, lambda image: image[::-1, ::-1]),
        (4, lambda image: image[::-1]),
        (5, lambda image: image.transpose(1, 0, 2)),
        (6, lambda image: np.rot90(image, -1)),
        (7, lambda image: np.rot90(image.transpose(1, 0, 2), 2)),
        (8, np.rot90),
    ],
)
def test_exif_orientation_is_undone(
    file_format: str, orientation: int, turn: Callable[[Image], Image], photo: Image, save: Save
) -> None:
    exif = Pillow.Exif()
    exif[_ORIENTATION] = orientation
    decoded = _pixels(save(photo, file_format, exif=exif, **_BEST.get(file_format, {})))
    expected = turn(photo)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 4


_BEST: dict[str, dict[str, object]] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_grey_is_stretched_between_its_percentiles(file_format: str, save: Save) -> None:
    deep = np.linspace(1000, 3000, 100 * 100).reshape(100, 100).astype(np.uint16)
    deep[0, 0], deep[-1, -1] = 0, 65_535  # a dead and a hot pixel
    grey = _grey(save(deep, file_format))
    assert grey[50, 0] == pytest.approx(255 * (2000 - 1010) / (2990 - 1010), abs=2)
    assert (grey[0, 0], grey[-1, -1]) == (0, 255)


def test_16_bit_tiff_in_which_zero_is_white_is_inverted(save: Save) -> None:
    deep = np.linspace(0, 60_000, 64 * 64).reshape(64, 64).astype(np.uint16)
    photometric_interpretation = 262
    inverted = _grey(save(deep, "TIFF", tiffinfo={photometric_interpretation: 0}))
    assert inverted[0, 0] == 255
    assert inverted[-1, -1] == 0


def test_float_tiff_with_missing_values_is_stretched(save: Save) -> None:
    values = np.linspace(-1, 1, 64 * 64, dtype=np.float32).reshape(64, 64)
    values[3, 3] = np.nan
    grey = _grey(save(values, "TIFF"))
    assert (grey[0, 0], grey[3, 3], grey[-1, -1]) == (0, 0, 255)


def test_16_bit_colour_png_keeps_the_upper_8_bits() -> None:
    colours = np.array([[[0x1234, 0x80FF, 0xFFFF], [0, 0x0100, 0x7F00]]], dtype=">u2")
    assert _pixels(_png(colours, colour_type=2, bits=16)).tolist() == [[[0x12, 0x80, 0xFF], [0, 1, 0x7F]]]


def test_grey_of_8_bits_or_less_is_not_stretched(save: Save) -> None:
    grey = np.arange(100, 150, dtype=np.uint8).reshape(5, 10)
    np.testing.assert_array_equal(_grey(save(grey, "PNG")), grey)
    black_and_white = Pillow.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1")
    assert _grey(save(black_and_white, "PNG")).tolist() == [[0, 255]]


def test_transparency_is_laid_over_black(save: Save) -> None:
    rgba = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 128]]], dtype=np.uint8)
    assert _pixels(save(rgba, "PNG")).tolist() == [[[200, 100, 50], [0, 0, 0], [100, 50, 25]]]
    luminance_alpha = Pillow.fromarray(np.array([[[200, 255], [200, 0]]], dtype=np.uint8), "LA")
    assert _grey(save(luminance_alpha, "PNG")).tolist() == [[200, 0]]


def test_a_palette_becomes_its_colours(save: Save) -> None:
    picture = Pillow.fromarray(np.array([[0, 1, 2]], dtype=np.uint8)).convert("P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert _pixels(save(picture, "PNG")).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    assert _pixels(save(picture, "PNG", transparency=1)).tolist() == [[[255, 0, 0], [0, 0, 0], [0, 0, 255]]]


def test_cmyk_tiff_becomes_rgb(save: Save) -> None:
    ink = Pillow.fromarray(np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], dtype=np.uint8), "CMYK")
    assert _pixels(save(ink, "TIFF")).tolist() == [[[255, 255, 255], [0, 255, 255], [0, 0, 0]]]


def test_cmyk_jpeg_is_inverted_only_if_adobe_wrote_it(save: Save) -> None:
    inverted = save(_cyan_sheet(), "JPEG", quality=95)
    assert b"Adobe" in inverted
    plain = _without_adobe_marker(save(Pillow.eval(_cyan_sheet(), lambda ink: 255 - ink), "JPEG", quality=95))
    for data in (inverted, plain):
        assert np.abs(_pixels(data).astype(int) - (0, 255, 255)).max() < 6


def test_cmyk_jpeg_without_adobes_marker_is_turned_upright(save: Save) -> None:
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 6
    sheet = Pillow.new("CMYK", (20, 10), (0, 255, 255, 255))
    assert _pixels(_without_adobe_marker(save(sheet, "JPEG", exif=exif))).shape == (20, 10, 3)


def test_the_main_picture_of_a_file_with_a_preview_is_read(photo: Image, save: Save) -> None:
    preview = Pillow.fromarray(photo[::4, ::4])
    data = save(photo, "MPO", save_all=True, append_images=[preview], quality=95, subsampling=0)
    assert np.abs(_pixels(data).astype(int) - photo).mean() < 4


@pytest.mark.parametrize("file_format", ["TIFF", "WEBP", "PNG"])
def test_several_frames_are_refused(file_format: str, photo: Image, save: Save) -> None:
    data = save(photo, file_format, save_all=True, append_images=[Pillow.fromarray(255 - photo)])
    with pytest.raises(InvalidInput, match="several pages or frames"):
        decode_image(data)


def test_too_many_pixels_are_refused_before_they_are_decoded(photo: Image, save: Save) -> None:
    truncated = save(photo, "PNG")[:60]
    with pytest.raises(PayloadTooLarge, match="megapixels"):
        decode_image(truncated, Limits(max_pixels=96 * 128 - 1))


@pytest.mark.parametrize("side", [10_001, 60_000])
def test_a_header_that_claims_over_100_megapixels_is_refused(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    with pytest.raises(PayloadTooLarge):
        decode_image(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b""))


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_truncated_file_is_unreadable(file_format: str, share: float, photo: Image, save: Save) -> None:
    data = save(photo, file_format)
    with pytest.raises(UnreadableImage):
        decode_image(data[: int(share * len(data))])


def test_a_header_without_a_size_is_unreadable() -> None:
    with pytest.raises(UnreadableImage):
        Limits().check(0, 5)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(samples: NDArray[np.generic], colour_type: int, bits: int) -> bytes:
    height, width = samples.shape[:2]
    rows = b"".join(b"\x00" + row.tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _cyan_sheet() -> Pillow.Image:
    return Pillow.new("CMYK", (16, 16), (255, 0, 0, 0))


def _without_adobe_marker(data: bytes) -> bytes:
    start = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[start + 2 : start + 4])[0]
    return data[:start] + data[start + 2 + length :]
