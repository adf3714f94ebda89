"""A log that a service writes by itself: a pipe would wake up whoever keeps it with every line."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

MOST = 10_000_000
"""Bytes after which a log begins anew."""


class LogFile:
    """Lines at the end of a file; once it is full it is kept as `<name>.1`, in place of the one before.

    Every write is there at once. Where the disk takes no more, lines are lost and nobody is told: answers matter more.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self._path, self._most, self._lock = path, most, threading.Lock()
        self._open()

    def write(self, text: str) -> None:
        """Append it, whole, to one file."""
        data = text.encode()
        with self._lock, suppress(OSError):
            if self._size and self._size + len(data) > self._most:
                self._begin_anew()
            self._size += os.write(self._descriptor, data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Give the file up."""
        os.close(self._descriptor)

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size = os.fstat(self._descriptor).st_size

    def _begin_anew(self) -> None:
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        full = self._descriptor
        self._open()
        os.close(full)
