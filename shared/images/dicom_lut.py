"""The greyscale transformation of DICOM: from stored values to the grey that a viewer shows.

The order follows PS3.4 N.2.1: Modality LUT or rescale (PS3.3 C.11.1), then VOI LUT or window (PS3.3 C.11.2), then
Presentation LUT Shape (PS3.3 C.11.6) with MONOCHROME1.

pydicom's helpers are not used. Its window scales to the range of stored values, which inverts the image if the rescale
slope is negative. Its tables overflow if the first mapped value is negative, or if an 8-bit table has more than 256
entries.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from shared.images.intensity import Intensities, IntensityMap, invert, percentile_stretch, subsample, to_uint8

_MAX_TABLE_BITS: Final = 16


def render_greyscale(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.uint8]:
    """Return uint8 (h, w) for the stored values (h, w) of a MONOCHROME1 or MONOCHROME2 image. Padding is black."""
    if stored.ndim != 2:
        raise ValueError("a grey image has one sample per pixel")
    padding = _padding(stored, dataset)
    mapping = _intensity_map(stored, padding, dataset)
    grey = to_uint8(stored, invert(mapping) if _inverted(dataset) else mapping)
    if padding is not None:
        grey[padding] = 0
    return grey


def _padding(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_] | None:
    """Return bool (h, w): Pixel Padding Value, up to Pixel Padding Range Limit (PS3.3 C.7.5.1.1.2). None: none."""
    value = _number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = _number(dataset, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    return (stored >= low) & (stored <= high)


def _modality_values(stored: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Apply the Modality LUT, else rescale slope and intercept, else return the stored values."""
    if table := dataset.get("ModalityLUTSequence"):
        return _look_up(stored, table[0], dataset)[0]
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    if slope is None or intercept is None:
        return stored
    return stored.astype(np.result_type(stored.dtype, np.float32)) * slope + intercept


def _intensity_map(stored: NDArray[Any], padding: NDArray[np.bool_] | None, dataset: Dataset) -> IntensityMap:
    """Return the VOI LUT, else the first window, else a percentile stretch (PS3.3 C.11.2.1 allows either)."""

    def values(block: NDArray[Any]) -> NDArray[Any]:
        return _modality_values(block, dataset)

    if table := dataset.get("VOILUTSequence"):
        return lambda block: _lut_intensities(np.rint(values(block)), table[0], dataset)
    centre, width = _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth")
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if centre is not None and width is not None and width >= (1 if function == "LINEAR" else math.ulp(0)):
        return lambda block: window(values(block), centre, width, function)
    if values(stored[:1]).dtype == np.uint8 and dataset.BitsStored == 8:
        return lambda block: values(block) / np.float32(255)  # 8 bits without a window need no mapping
    stretched = percentile_stretch(values(subsample(stored, None if padding is None else ~padding)))
    return lambda block: stretched(values(block))


def window(values: NDArray[Any], centre: float, width: float, function: str) -> Intensities:
    """Apply a window: PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT)."""
    values = values.astype(np.result_type(values.dtype, np.float32))
    if function == "SIGMOID":
        return 0.5 + 0.5 * np.tanh(2 * (values - centre) / width)  # 1 / (1 + exp(-4 x)), without overflow
    if function != "LINEAR_EXACT":
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return (values > centre).astype(np.float32)
    return np.clip((values - centre) / width + 0.5, 0, 1)


def _inverted(dataset: Dataset) -> bool:
    """Whether low values are white. MONOCHROME1 and INVERSE mean the same, so both together invert once."""
    low_is_white: bool = dataset.PhotometricInterpretation == "MONOCHROME1"
    return low_is_white or dataset.get("PresentationLUTShape") == "INVERSE"


def _lut_intensities(values: NDArray[Any], table: Dataset, dataset: Dataset) -> Intensities:
    entries, bits = _look_up(values, table, dataset)
    return entries / np.float32(2**bits - 1)


def _look_up(values: NDArray[Any], table: Dataset, dataset: Dataset) -> tuple[NDArray[np.uint16], int]:
    """Return LUT entries for integral values, and their bits. A LUT is constant beyond its ends (C.11.1.1)."""
    count, first, bits = (int(number) for number in table.LUTDescriptor)
    if not 1 <= bits <= _MAX_TABLE_BITS:
        raise ValueError("a LUT has entries of 1 to 16 bits")
    entries = _table_entries(table, count or 2**16, dataset)
    index = np.clip(values.astype(np.int64) - first, 0, entries.size - 1)
    return np.minimum(entries, 2**bits - 1)[index], bits


def _table_entries(table: Dataset, count: int, dataset: Dataset) -> NDArray[np.uint16]:
    data = table.LUTData
    if isinstance(data, bytes):
        order = "<" if dataset.original_encoding[1] else ">"
        packed = np.dtype("u1") if len(data) <= count + 1 else np.dtype(f"{order}u2")
        data = np.frombuffer(data, dtype=packed)
    return np.atleast_1d(np.asarray(data, dtype=np.uint16))[:count]


def _number(dataset: Dataset, keyword: str) -> float | None:
    """Return the first value of a numeric element if it is finite, else None."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return None
    number = float(np.atleast_1d(np.asarray(value, dtype=np.float64))[0])
    return number if math.isfinite(number) else None
