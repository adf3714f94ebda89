"""Single-frame DICOM of every pixel encoding that pydicom reads; the greyscale pipeline has tests of its own."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEGBaseline8Bit

from shared.errors import InvalidInput, PayloadTooLarge, UnreadableImage, UnsupportedMediaType
from shared.images.decoding import decode_image
from shared.images.limits import Limits
from shared.images.views import Image

MakeDicom = Callable[..., bytes]
Save = Callable[..., bytes]

_BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"


def _bundled(name: str) -> bytes:
    return (_BUNDLED / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "shape", "modality"),
    [
        ("CT_small.dcm", (128, 128), "CT"),
        ("MR_small.dcm", (64, 64), "MR"),
        ("examples_overlay.dcm", (300, 484), "MR"),
        ("693_J2KI.dcm", (512, 512), "CT"),
        ("examples_palette.dcm", (350, 800), "US"),
        ("examples_rgb_color.dcm", (240, 320), "US"),
        ("examples_jpeg2k.dcm", (480, 640), "US"),
        ("liver_1frame.dcm", (512, 512), "SEG"),
        ("SC_rgb_small_odd.dcm", (3, 3), "OT"),
        ("SC_jpeg_no_color_transform.dcm", (256, 256), None),
    ],
)
def test_files_of_real_devices_are_read(name: str, shape: tuple[int, int], modality: str | None) -> None:
    decoded = decode_image(_bundled(name))
    assert decoded.pixels.shape == (*shape, 3)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.std() > 0
    assert decoded.dicom_modality == modality


@pytest.mark.parametrize("variant", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "padded"])
def test_the_transfer_syntax_does_not_change_the_picture(variant: str) -> None:
    np.testing.assert_array_equal(
        decode_image(_bundled(f"MR_small_{variant}.dcm")).pixels, decode_image(_bundled("MR_small.dcm")).pixels
    )


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("SC_rgb_rle.dcm", 0),
        ("SC_rgb_rle_16bit.dcm", 0),
        ("SC_rgb_rle_32bit.dcm", 0),
        ("SC_rgb_gdcm_KY.dcm", 2),
        ("SC_rgb_dcmtk_+eb+cr.dcm", 2),
        ("SC_rgb_jpeg_dcmtk.dcm", 6),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", 6),
        ("SC_ybr_full_422_uncompressed.dcm", 6),
    ],
)
def test_colour_bars_are_the_same_in_every_encoding(name: str, tolerance: int) -> None:
    bars = decode_image(_bundled(name)).pixels.astype(int)
    for row, colour in {5: (255, 0, 0), 25: (0, 255, 0), 45: (0, 0, 255)}.items():
        assert np.abs(bars[row, 50] - colour).max() <= tolerance


def test_rgb_keeps_every_pixel(photo: Image, make_dicom: MakeDicom) -> None:
    np.testing.assert_array_equal(decode_image(make_dicom(photo)).pixels, photo)


def test_rgb_may_be_stored_plane_by_plane(photo: Image, make_dicom: MakeDicom) -> None:
    data = make_dicom(photo, PlanarConfiguration=1, PixelData=photo.transpose(2, 0, 1).tobytes())
    np.testing.assert_array_equal(decode_image(data).pixels, photo)


def test_ybr_becomes_rgb(make_dicom: MakeDicom) -> None:
    # PS3.3 C.7.6.3.1.2: pure red is Y 76, CB 85, CR 255
    red = np.array([[[76, 85, 255]]], dtype=np.uint8)
    pixels = decode_image(make_dicom(red, PhotometricInterpretation="YBR_FULL")).pixels
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 2


@pytest.mark.parametrize(("bits", "dtype", "full"), [(8, "u1", 255), (16, "<u2", 65_535)])
def test_a_palette_becomes_its_colours(bits: int, dtype: str, full: int, make_dicom: MakeDicom) -> None:
    palette: dict[str, Any] = {}
    for colour, entries in {"Red": [full, 0], "Green": [0, full], "Blue": [0, 0]}.items():
        palette[f"{colour}PaletteColorLookupTableDescriptor"] = [2, 0, bits]
        palette[f"{colour}PaletteColorLookupTableData"] = np.array(entries, dtype=dtype).tobytes()
    data = make_dicom(np.array([[0, 1]], dtype=np.uint8), PhotometricInterpretation="PALETTE COLOR", **palette)
    assert decode_image(data).pixels.tolist() == [[[255, 0, 0], [0, 255, 0]]]


def test_a_jpeg_inside_is_decoded(photo: Image, make_dicom: MakeDicom, save: Save) -> None:
    grey = photo[..., 1]
    compressed = encapsulate([save(grey, "JPEG", quality=95)])
    data = _rewrite(make_dicom(grey), JPEGBaseline8Bit, compressed)
    assert np.abs(decode_image(data).pixels[..., 0].astype(int) - grey).mean() < 3


def test_a_file_without_the_part_10_header_is_read(make_dicom: MakeDicom) -> None:
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    decoded = decode_image(make_dicom(grey, part10=False, Modality="CT"))
    np.testing.assert_array_equal(decoded.pixels[..., 0], grey)
    assert decoded.dicom_modality == "CT"


@pytest.mark.parametrize("little_endian", [True, False])
def test_the_encoding_of_a_file_without_header_is_found_out(little_endian: bool, make_dicom: MakeDicom) -> None:
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    buffer = io.BytesIO()
    Dataset(_parse(make_dicom(grey))).save_as(buffer, implicit_vr=False, little_endian=little_endian)
    np.testing.assert_array_equal(decode_image(buffer.getvalue()).pixels[..., 0], grey)


@pytest.mark.parametrize(("value", "expected"), [("CT", "CT"), (" MR", "MR"), ("", None), ("not a code!", None)])
def test_only_a_well_formed_modality_is_passed_on(value: str, expected: str | None, make_dicom: MakeDicom) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = make_dicom(np.zeros((2, 2), dtype=np.uint8), Modality=value)
    assert decode_image(data).dicom_modality == expected


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        ("reportsi rtplan waveform_ecg rtstruct test-SR", UnreadableImage, "no pixels"),
        ("MR_truncated badVR meta_missing_tsyntax", UnreadableImage, None),
        ("SC_rgb_rle_2frame examples_ybr_color rtdose", InvalidInput, "several frames"),
        ("SC_rgb_jpeg_gdcm image_dfl", UnsupportedMediaType, None),
    ],
)
def test_files_that_cannot_be_read_are_refused_with_the_reason(
    names: str, error: type[Exception], said: str | None
) -> None:
    for name in names.split():
        with pytest.raises(error, match=said):
            decode_image(_bundled(f"{name}.dcm"))


def test_an_unknown_transfer_syntax_is_an_unsupported_type(make_dicom: MakeDicom) -> None:
    data = make_dicom(np.zeros((2, 2), dtype=np.uint8)).replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.9.9.9\x00")
    with pytest.raises(UnsupportedMediaType, match="transfer syntax"):
        decode_image(data)


def test_an_unknown_photometric_interpretation_is_unsupported(photo: Image, make_dicom: MakeDicom) -> None:
    with pytest.raises(UnsupportedMediaType, match="photometric"):
        decode_image(make_dicom(photo, PhotometricInterpretation="HSV"))


@pytest.mark.parametrize(("photometric", "channels"), [("RGB", 1), ("MONOCHROME1", 3), ("MONOCHROME2", 3)])
def test_another_number_of_samples_is_unreadable(photometric: str, channels: int, make_dicom: MakeDicom) -> None:
    stored = np.zeros((4, 4, channels), dtype=np.uint8).squeeze()
    with pytest.raises(UnreadableImage):
        decode_image(make_dicom(stored, PhotometricInterpretation=photometric))


def test_too_many_pixels_are_refused_by_the_header_alone(make_dicom: MakeDicom) -> None:
    data = make_dicom(np.zeros((2, 2), dtype=np.uint8), Rows=20_000, Columns=20_000)
    with pytest.raises(PayloadTooLarge):
        decode_image(data)
    with pytest.raises(PayloadTooLarge):
        decode_image(make_dicom(np.zeros((5, 5), dtype=np.uint8)), Limits(max_pixels=24))


@pytest.mark.parametrize("rows", [None, 0])
def test_a_header_without_rows_is_unreadable(rows: int | None, make_dicom: MakeDicom) -> None:
    with pytest.raises(UnreadableImage):
        decode_image(make_dicom(np.zeros((2, 2), dtype=np.uint8), Rows=rows))


def test_nothing_of_the_file_reaches_logs_warnings_or_errors(
    make_dicom: MakeDicom, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.DEBUG)
    broken = make_dicom(np.zeros((8, 8), dtype=np.uint8), Modality="CT")[:-20].replace(b"CT", b"\xfe\xfe")
    with pytest.raises(UnreadableImage) as failure:
        decode_image(broken)
    assert "SECRET" not in str(failure.value)
    assert failure.value.__suppress_context__
    assert not [record for record in caplog.records if record.name.startswith(("pydicom", "PIL"))]
    assert len(recwarn) == 0


def _parse(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def _rewrite(data: bytes, syntax: UID, pixel_data: bytes) -> bytes:
    dataset = _parse(data)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = pixel_data
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
