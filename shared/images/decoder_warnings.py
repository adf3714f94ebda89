"""Switch off warnings and logs of the image decoders: they may quote patient data of an upload."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LOGGERS: Final = ("pydicom", "PIL")
_OFF: Final = logging.CRITICAL + 1


class DecoderSilence:
    """Switch warnings off while any thread is inside, and on again when the last thread leaves.

    The filters of `warnings` belong to the whole process. If each thread saved and restored them, two overlapping
    threads would restore them in the wrong order.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run the block without warnings and without log lines of the decoders."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
                for name in _LOGGERS:
                    logging.getLogger(name).setLevel(_OFF)
            self._inside += 1

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


silence_decoders: Final = DecoderSilence()
"""The instance of this process."""
