"""Two tiny model folders, and the JSON lines that a service logs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

TINY = Path(__file__).parent / "models" / "tiny"
Logged = Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def identifier_folder() -> Path:
    """A model folder whose network sees a picture at 8 x 8; see models/make_tiny_models.py."""
    return TINY / "identifier"


@pytest.fixture(scope="session")
def classifier_folder() -> Path:
    """A model folder whose network goes by the mean colour: blue is mri, red fundus, yellow skin, green other."""
    return TINY / "classifier"


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    """Every line logged so far, as a mapping; a line that is no JSON object fails the test."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def _logs_end_with_the_test() -> Iterator[None]:
    """A service writes to the stdout that it found at its start, and pytest gives every test one of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
