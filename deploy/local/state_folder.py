"""Where a local system keeps its state: one folder, `.run/` unless said otherwise."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOCKET_PATH_LIMIT = 90
"""Bytes. A unix socket's path may have 107 on Linux, 103 on macOS; the supervisor adds a suffix for a moment."""


@dataclass(frozen=True)
class StateFolder:
    """Files and folders below `root`."""

    root: Path = REPOSITORY / ".run"

    @property
    def data(self) -> Path:
        """Data folder of the embedded database."""
        return self.root / "database"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def admin_key(self) -> Path:
        """The key with every scope."""
        return self.root / "admin.key"

    @property
    def database_url(self) -> Path:
        """Written by the database when it answers."""
        return self.root / "database.url"

    @property
    def addresses(self) -> Path:
        """JSON: where each service of the system that was started last answers."""
        return self.root / "addresses.json"

    @property
    def configuration(self) -> Path:
        """Configuration of the supervisor."""
        return self.root / "supervisor.conf"

    @property
    def pid(self) -> Path:
        """Process id of the supervisor."""
        return self.root / "supervisor.pid"

    @property
    def socket(self) -> Path:
        """The supervisor's socket; in a private temporary folder where the path of `root` is too long for one."""
        path = self.root / "supervisor.sock"
        if len(os.fsencode(path)) < SOCKET_PATH_LIMIT:
            return path
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"medreid-{os.getuid()}-{name}" / path.name

    def create(self) -> None:
        """Make the folders, for this user only."""
        for folder in (self.root, self.logs, self.socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One at a time starts or stops the system of this place; the others wait."""
        self.create()
        with (self.root / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def close(self) -> None:
        """Keep others out again: as root the database's own user must pass through, so starting it opens the folder."""
        self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)

    def forget(self) -> None:
        """Remove the gallery and the key that belongs to it."""
        shutil.rmtree(self.data, ignore_errors=True)
        for path in (self.database_url, self.admin_key):
            path.unlink(missing_ok=True)
