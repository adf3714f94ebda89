"""Grey of DICOM: every step, and the order of the steps, with expected values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from shared.errors import UnreadableImage
from shared.images.decoding import decode_image
from shared.images.dicom_lut import window

MakeDicom = Callable[..., bytes]
Grey = Callable[..., list[int]]


@pytest.fixture
def grey(make_dicom: MakeDicom) -> Grey:
    """The displayed grey levels of one row of stored values, with further elements as keywords."""

    def display(stored: list[int], dtype: str = "<u2", **elements: Any) -> list[int]:
        pixels = decode_image(make_dicom(np.array([stored], dtype=dtype), **elements)).pixels
        return [int(level) for level in pixels[0, :, 0]]

    return display


def _table(entries: list[int] | bytes, first: int, bits: int) -> list[Dataset]:
    table = Dataset()
    table.LUTDescriptor = [len(entries), first, bits]
    table.LUTData = entries
    table["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    table["LUTData"].VR = "OW" if isinstance(entries, bytes) else "US"
    return [table]


@pytest.mark.parametrize(
    ("values", "centre", "width", "function", "expected"),
    [
        # PS3.3 C.11.2.1.2.1, note 2: c = 2048, w = 4096 is x / 4095; c = 0, w = 100 is black to -50, white over 49
        ([0, 1024, 4095], 2048, 4096, "LINEAR", [0, 1024 / 4095, 1]),
        ([-50, -49, 49, 50], 0, 100, "LINEAR", [0, 1 / 99, 1, 1]),
        ([99, 100, 101], 100, 1, "LINEAR", [0, 1, 1]),
        ([-50, 0, 25, 50], 0, 100, "LINEAR_EXACT", [0, 0.5, 0.75, 1]),
        ([-100_000, 0, 25, 100_000], 0, 100, "SIGMOID", [0, 0.5, 1 / (1 + np.exp(-4 * 25 / 100)), 1]),
    ],
)
def test_a_window_follows_the_formula_of_the_standard(
    values: list[int], centre: float, width: float, function: str, expected: list[float]
) -> None:
    np.testing.assert_allclose(window(np.array(values), centre, width, function), expected, atol=1e-6)


def test_the_window_applies_to_rescaled_values(grey: Grey) -> None:
    # Hounsfield units -160, 40, 240 through c = 40, w = 400: (x - 39.5) / 399 + 0.5
    levels = grey(
        [432, 532, 632], RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400, BitsStored=12
    )
    assert levels == [0, 128, 255]


def test_a_negative_rescale_slope_turns_the_tones_round(grey: Grey) -> None:
    levels = grey([0, 50, 100], RescaleSlope=-1, RescaleIntercept=100, WindowCenter=50, WindowWidth=100)
    assert levels == [255, 129, 0]  # values 100, 50, 0: (50 - 49.5) / 99 + 0.5 = 0.505 -> 128.8


def test_monochrome1_is_inverted_after_the_window(grey: Grey) -> None:
    # Inverting the stored values first would put all three outside the window.
    window_elements = {"WindowCenter": 100, "WindowWidth": 101, "VOILUTFunction": "LINEAR"}
    upright = grey([50, 75, 149], **window_elements)
    inverted = grey([50, 75, 149], PhotometricInterpretation="MONOCHROME1", **window_elements)
    assert upright == [1, 65, 254]
    assert inverted == [255 - level for level in upright]


@pytest.mark.parametrize(
    ("photometric", "shape", "expected"),
    [
        ("MONOCHROME2", "IDENTITY", [0, 255]),
        ("MONOCHROME2", "INVERSE", [255, 0]),
        ("MONOCHROME1", "INVERSE", [255, 0]),
        ("MONOCHROME1", None, [255, 0]),
    ],
)
def test_presentation_lut_shape_and_monochrome1_invert_once(
    photometric: str, shape: str | None, expected: list[int], grey: Grey
) -> None:
    elements = {"PresentationLUTShape": shape} if shape else {}
    assert grey([0, 255], "u1", PhotometricInterpretation=photometric, **elements) == expected


def test_the_first_of_several_windows_is_used(grey: Grey) -> None:
    levels = grey([0, 1000], WindowCenter=[500, 5000], WindowWidth=[1000, 10], WindowCenterWidthExplanation=["A", "B"])
    assert levels == [0, 255]


def test_a_modality_lut_comes_before_the_window(grey: Grey) -> None:
    table = _table([0, 1000, 500], first=10, bits=16)
    levels = grey([10, 11, 12, 0, 99], ModalityLUTSequence=table, WindowCenter=500, WindowWidth=1001)
    assert levels == [0, 255, 128, 0, 128]  # outside the table its ends hold


def test_a_voi_lut_follows_rescaling_and_precedes_the_window(grey: Grey) -> None:
    table = _table([0, 64, 255], first=100, bits=8)
    levels = grey(
        [0, 1, 2, 9],
        RescaleSlope=1,
        RescaleIntercept=100,
        VOILUTSequence=table,
        WindowCenter=0,
        WindowWidth=1,
    )
    assert levels == [0, 64, 255, 255]


def test_a_voi_lut_may_begin_at_a_negative_value(grey: Grey) -> None:
    table = _table([0, 2048, 4095], first=-1, bits=12)
    assert grey([-5, -1, 0, 1], "<i2", VOILUTSequence=table) == [0, 0, 128, 255]


def test_a_lut_may_be_packed_in_bytes(grey: Grey) -> None:
    words = _table(np.array([0, 4095], dtype="<u2").tobytes(), first=0, bits=12)
    words[0].LUTDescriptor = [2, 0, 12]
    bytes_ = _table(bytes([0, 255]), first=0, bits=8)
    assert grey([0, 1], VOILUTSequence=words) == [0, 255]
    assert grey([0, 1], VOILUTSequence=bytes_) == [0, 255]


def test_without_a_window_deep_grey_is_stretched(grey: Grey) -> None:
    assert grey(list(range(1000, 2001)))[::500] == [0, 128, 255]


def test_without_a_window_8_bits_are_shown_as_they_are(grey: Grey) -> None:
    assert grey([10, 100, 200], "u1") == [10, 100, 200]


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": 100, "WindowWidth": 0},
        {"WindowCenter": 100, "WindowWidth": 0, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 100},
        {"WindowCenter": "", "WindowWidth": ""},
        {"RescaleSlope": 1},
    ],
)
def test_a_window_or_rescale_that_says_nothing_is_left_out(elements: dict[str, Any], grey: Grey) -> None:
    assert grey([500, 600, 700], **elements) == [0, 128, 255]


def test_padding_is_black_and_does_not_count_for_the_stretch(grey: Grey) -> None:
    stored = [-2000, -2000, 0, 50, 100]
    assert grey(stored, "<i2", PixelPaddingValue=-2000) == [0, 0, 0, 128, 255]
    assert grey(stored, "<i2", PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1") == [0, 0, 255, 128, 0]
    of_a_range = {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1000}
    assert grey([-2000, -1500, 0, 50, 100], "<i2", **of_a_range) == [0, 0, 0, 128, 255]
    assert grey([7, 7], PixelPaddingValue=7) == [0, 0]


def test_signed_values_may_use_fewer_bits_than_are_allocated(grey: Grey) -> None:
    # 12 bits: 0x0FFF is -1 and 0x0800 is -2048, whatever the four unused bits hold.
    elements = {"BitsStored": 12, "PixelRepresentation": 1, "WindowCenter": 0.5, "WindowWidth": 4096}
    assert grey([0x0800, 0x0FFF, 0x07FF], **elements) == [0, 127, 255]
    assert grey([0xA800, 0x5FFF, 0x57FF], **elements) == [0, 127, 255]


def test_unused_bits_of_unsigned_values_are_ignored(grey: Grey) -> None:
    assert grey([0xF000, 0x3FFF], BitsStored=12, WindowCenter=2048, WindowWidth=4096) == [0, 255]


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2", "<u4", "<i4"])
def test_every_integer_type_is_windowed_alike(dtype: str, grey: Grey) -> None:
    assert grey([0, 50, 100], dtype, WindowCenter=50.5, WindowWidth=101) == [0, 128, 255]


def test_a_flat_image_is_black(grey: Grey) -> None:
    assert grey([500, 500]) == [0, 0]


def test_a_lut_with_impossible_entries_is_unreadable(make_dicom: MakeDicom) -> None:
    stored: NDArray[np.uint16] = np.zeros((2, 2), dtype="<u2")
    with pytest.raises(UnreadableImage):
        decode_image(make_dicom(stored, VOILUTSequence=_table([0, 1], first=0, bits=99)))
