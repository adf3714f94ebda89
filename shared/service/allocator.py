"""The C library's allocator: give freed memory back to the system."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def release_free_memory() -> None:
    """Return freed memory to the kernel. Does nothing if the C library is not glibc.

    glibc keeps freed memory. That makes the next request faster, but an idle service as large as a busy one.
    """
    if (trim := _trim()) is not None:
        trim(ctypes.c_size_t(0))


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
