"""Tools that some tests need and not every machine has. Without one they are skipped, in CI they fail."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

REQUIRED = "REQUIRE_ALL_TOOLS"
"""Environment variable; `.ci/run` sets it."""


def missing(message: str) -> NoReturn:
    """Skip the test or the module that calls this, or fail it if all tools are required."""
    if os.environ.get(REQUIRED):
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def program(*names: str, hint: str = "") -> str:
    """Return the path of the first of the programs that is on the PATH; without any, the test ends here."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing(f"needs {names[0]} on the PATH. {hint}")
    return found
