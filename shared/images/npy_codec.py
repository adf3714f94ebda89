"""Encode and decode images between services as `application/x-npy`, NumPy's own format, without pickles.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import io
import math
import re
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.images.views import ImageBatch

_MAGIC: Final = b"\x93NUMPY\x01\x00"
_PREFIX_LENGTH: Final = len(_MAGIC) + 2
_MAX_HEADER: Final = 1024
# The header is a Python literal. NumPy writes it in one form for images. Matching that form is safer than evaluating
# any literal that a caller sends.
_HEADER: Final = re.compile(
    rb"\{'descr': '\|u1', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9}), (\d{1,9}), 3\), \} *\n"
)


def encode(array: NDArray[Any]) -> bytes:
    """Return the array as an npy file of version 1.0, in C order. Raises ValueError if it holds Python objects."""
    if array.dtype.hasobject:
        raise ValueError("Python objects could only be pickled, which readers refuse: allow_pickle=False")
    return b"".join((_header(array.dtype, array.shape), np.ascontiguousarray(array).data))


@lru_cache(maxsize=256)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the bytes before the elements. Cached: NumPy needs longer for them than to copy an image."""
    buffer = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def decode(data: bytes, max_images: int, max_side: int) -> ImageBatch:
    """Return uint8 (n, h, w, 3) of an npy file, with 1 <= n <= max_images and 1 <= h, w <= max_side.

    The result is a read-only view of `data`: nothing is copied, and nothing is allocated for a false header.
    Raises InvalidInput for other content and says what to send.
    """
    shape, offset = _read_header(data)
    images, height, width, _ = shape
    if not 1 <= images <= max_images:
        raise InvalidInput(f"The array holds {images} images. Send 1 to {max_images}.")
    if not (1 <= height <= max_side and 1 <= width <= max_side):
        raise InvalidInput(f"The images are {height} x {width} pixels. Send 1 to {max_side} pixels a side.")
    if len(data) - offset != math.prod(shape):
        raise InvalidInput("The length of the array differs from its header. Send the complete npy file, alone.")
    return np.frombuffer(data, dtype=np.uint8, offset=offset).reshape(shape)


def _read_header(data: bytes) -> tuple[tuple[int, int, int, int], int]:
    """Return the shape in the header, and the offset of the pixels."""
    if len(data) < _PREFIX_LENGTH or not data.startswith(_MAGIC):
        raise InvalidInput("The body is no npy file of version 1.0. Send what numpy.save writes.")
    offset = _PREFIX_LENGTH + int.from_bytes(data[len(_MAGIC) : _PREFIX_LENGTH], "little")
    match = _HEADER.fullmatch(data[_PREFIX_LENGTH : min(offset, _MAX_HEADER)])
    if match is None:
        raise InvalidInput("The npy file holds no images. Send uint8 of shape (n, h, w, 3) in C order.")
    images, height, width = map(int, match.groups())
    return (images, height, width, 3), offset
