import sys

import psutil
import pytest

from shared.service import allocator
from shared.service.allocator import release_free_memory

MEGABYTE = 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other allocators keep nothing that we could ask for")
def test_what_was_freed_goes_back_to_the_machine() -> None:
    kept = [bytes(50_000) + b"x" for _ in range(2000)]  # too small to be mapped each by itself
    del kept[:-1]  # the last one holds the end of the heap
    held = psutil.Process().memory_info().rss
    release_free_memory()
    assert psutil.Process().memory_info().rss < held - 50 * MEGABYTE
    assert kept


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    def another(name: object) -> object:
        opened.append(name)
        return object()

    allocator._trim.cache_clear()
    monkeypatch.setattr("ctypes.CDLL", another)
    release_free_memory()
    release_free_memory()
    allocator._trim.cache_clear()
    assert opened == [None]  # looked for once, not found, nothing called
