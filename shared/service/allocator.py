"""Memory that the allocator keeps for the next request, given back to the machine when none comes."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def release_free_memory() -> None:
    """Return freed memory to the kernel, where the C library is glibc; elsewhere nothing.

    glibc keeps what was freed, which makes the next request faster and a quiet service as large as a busy one.
    """
    if (trim := _trim()) is not None:
        trim(ctypes.c_size_t(0))


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
