import re
import time

from shared.ulid import new_ulid


def test_an_identifier_has_26_characters_that_nobody_confuses() -> None:
    assert re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", new_ulid())


def test_no_two_are_alike() -> None:
    assert len({new_ulid() for _ in range(10_000)}) == 10_000


def test_a_later_one_sorts_after() -> None:
    earlier = new_ulid()
    time.sleep(0.002)
    assert earlier < new_ulid()
