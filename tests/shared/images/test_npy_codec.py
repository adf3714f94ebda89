"""What travels between the services is images or is refused, whatever the bytes are."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.errors import InvalidInput
from shared.images import npy_codec


def _images(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def _saved(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
def test_images_survive_the_way_and_numpy_reads_them_too(order: Literal["C", "F"]) -> None:
    images = np.asarray(_images(3, 20, 30, 3), order=order)
    encoded = npy_codec.encode(images)
    np.testing.assert_array_equal(npy_codec.decode(encoded, max_images=4, max_side=32), images)
    np.testing.assert_array_equal(np.load(io.BytesIO(encoded), allow_pickle=False), images)


def test_what_numpy_saves_is_read() -> None:
    images = _images(1, 5, 6, 3)
    np.testing.assert_array_equal(npy_codec.decode(_saved(images), max_images=1, max_side=6), images)


def test_decoding_copies_nothing() -> None:
    data = npy_codec.encode(_images(1, 8, 8, 3))
    images = npy_codec.decode(data, max_images=1, max_side=8)
    assert np.shares_memory(images, np.frombuffer(data, dtype=np.uint8))
    assert not images.flags.writeable


def test_python_objects_are_not_encoded() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        npy_codec.encode(np.array([{}], dtype=object))


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"", "numpy.save"),
        (b"\x93NUMPY", "numpy.save"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "numpy.save"),
        (b"\x93NUMPY\x02\x00" + bytes(64), "version 1.0"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b" " * 70_000, "uint8 of shape"),
        (_saved(_images(1, 5, 5, 3).astype(np.float32)), "uint8 of shape"),
        (_saved(_images(5, 5, 3)), "uint8 of shape"),
        (_saved(_images(1, 5, 5, 4)), "uint8 of shape"),
        (_saved(np.asfortranarray(_images(2, 5, 5, 3))), "C order"),
        (_saved(_images(0, 5, 5, 3)), "1 to 4"),
        (_saved(_images(5, 5, 5, 3)), "1 to 4"),
        (_saved(_images(1, 0, 5, 3)), "1 to 16 pixels"),
        (_saved(_images(1, 5, 17, 3)), "1 to 16 pixels"),
        (_saved(_images(1, 5, 5, 3))[:-1], "complete npy file"),
        (_saved(_images(1, 5, 5, 3)) + b"x", "complete npy file"),
        (_saved(_images(1, 5, 5, 3))[:100], "uint8 of shape"),
        (_saved(np.array([{"a": 1}], dtype=object)), "uint8 of shape"),
    ],
)
def test_anything_else_is_refused_with_advice(data: bytes, advice: str) -> None:
    with pytest.raises(InvalidInput, match=advice):
        npy_codec.decode(data, max_images=4, max_side=16)


def test_nothing_is_allocated_for_what_a_header_claims() -> None:
    data = _saved(_images(1, 1, 1, 3)).replace(b"(1, 1, 1, 3), }" + b" " * 9, b"(999999999, 9, 9, 3), } ")
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="Send the complete npy file"):
        npy_codec.decode(data, max_images=10**9, max_side=16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        npy_codec.decode(data, max_images=4, max_side=16)


@given(
    position=st.integers(0, 127), value=st.integers(0, 255), tail=st.binary(max_size=8), cut=st.integers(min_value=0)
)
def test_a_damaged_file_is_images_or_is_refused(position: int, value: int, tail: bytes, cut: int) -> None:
    damaged = bytearray(_saved(_images(1, 4, 4, 3)))
    damaged[position] = value
    data = bytes(damaged)[: len(damaged) - cut % 3] + tail
    try:
        images = npy_codec.decode(data, max_images=4, max_side=16)
    except InvalidInput:
        return
    assert images.dtype == np.uint8
    assert images.shape[3] == 3
