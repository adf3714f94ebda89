"""Images between the services: `application/x-npy`, NumPy's own format, without pickles and without a second encoding.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
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
# The header is a Python literal. What NumPy writes for an image has one form, and matching that form is safer than
# evaluating whatever literal a caller sends.
_HEADER: Final = re.compile(
    rb"\{'descr': '\|u1', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9}), (\d{1,9}), 3\), \} *\n"
)


def encode(array: NDArray[Any]) -> bytes:
    """The array as a version 1.0 npy file, in C order; ValueError where the array holds Python objects."""
    if array.dtype.hasobject:
        raise ValueError("Python objects could only be pickled, which readers refuse: allow_pickle=False")
    return b"".join((_header(array.dtype, array.shape), np.ascontiguousarray(array).data))


@lru_cache(maxsize=256)
def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Everything before the elements. Images have few shapes, and NumPy takes longer for it than to copy one."""
    buffer = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def decode(data: bytes, max_images: int, max_side: int) -> ImageBatch:
    """The images of an npy file, uint8 (n, h, w, 3) with 1 <= n <= max_images and 1 <= h, w <= max_side.

    The result is a read-only view of `data`: nothing is copied, and nothing is allocated for what the header claims.
    Raises InvalidInput where `data` is anything else, with what to send instead.
    """
    shape, offset = _read_header(data)
    images, height, width, _ = shape
    if not 1 <= images <= max_images:
        raise InvalidInput(f"The array holds {images} images. Send 1 to {max_images}.")
    if not (1 <= height <= max_side and 1 <= width <= max_side):
        raise InvalidInput(f"The images are {height} x {width} pixels. Send 1 to {max_side} pixels a side.")
    if len(data) - offset != math.prod(shape):
        raise InvalidInput("The length of the array is not what its header says. Send the complete npy file, alone.")
    return np.frombuffer(data, dtype=np.uint8, offset=offset).reshape(shape)


def _read_header(data: bytes) -> tuple[tuple[int, int, int, int], int]:
    """The shape that the header states, and where the pixels begin."""
    if len(data) < _PREFIX_LENGTH or not data.startswith(_MAGIC):
        raise InvalidInput("The body is no npy file of version 1.0. Send what numpy.save writes.")
    offset = _PREFIX_LENGTH + int.from_bytes(data[len(_MAGIC) : _PREFIX_LENGTH], "little")
    match = _HEADER.fullmatch(data[_PREFIX_LENGTH : min(offset, _MAX_HEADER)])
    if match is None:
        raise InvalidInput("The npy file holds no images. Send uint8 of shape (n, h, w, 3) in C order.")
    images, height, width = map(int, match.groups())
    return (images, height, width, 3), offset
