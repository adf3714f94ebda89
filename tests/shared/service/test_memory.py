import sys

import psutil
import pytest

from shared.service.memory import give_back

MEGABYTE = 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other allocators keep nothing that we could ask for")
def test_what_was_freed_goes_back_to_the_machine() -> None:
    kept = [bytes(50_000) + b"x" for _ in range(2000)]  # too small to be mapped each by itself
    del kept[:-1]  # the last one holds the end of the heap
    held = psutil.Process().memory_info().rss
    give_back()
    assert psutil.Process().memory_info().rss < held - 50 * MEGABYTE
    assert kept


def test_giving_back_twice_harms_nobody() -> None:
    give_back()
    give_back()
