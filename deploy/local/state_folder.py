"""The folder that holds the state of a local system: `.run/` by default."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOCKET_PATH_LIMIT = 90
"""Maximum length of a socket's path in bytes: 107 on Linux, 103 on macOS, less a suffix that supervisord adds."""
PLAIN = re.compile(r"[\w/.,@+-]+")
"""Paths that shells and configuration files take as they are."""


class StateFolder:
    """Paths below `root`."""

    def __init__(self, root: Path = REPOSITORY / ".run") -> None:
        self.root = root.resolve()
        self.data = self.root / "database"
        """Data folder of the embedded database."""
        self.logs = self.root / "logs"
        """One log per process."""
        self.admin_key = self.root / "admin.key"
        """The API key with every scope."""
        self.database_url = self.root / "database.url"
        """Written by the database process as soon as the database answers."""
        self.addresses = self.root / "addresses.json"
        """JSON: the URL of each service of the last start."""
        self.configuration = self.root / "supervisor.conf"
        self.pid = self.root / "supervisor.pid"
        self.socket = self._socket_folder() / "supervisor.sock"
        """The supervisor's socket."""

    def _socket_folder(self) -> Path:
        """Return `root`, or a private temporary folder if the path of `root` is too long or not plain."""
        name = os.fsencode(self.root)
        if len(name) < SOCKET_PATH_LIMIT - len("/supervisor.sock") and PLAIN.fullmatch(str(self.root)):
            return self.root
        return Path(tempfile.gettempdir()) / f"medreid-{os.getuid()}-{hashlib.sha256(name).hexdigest()[:12]}"

    def create(self) -> None:
        """Make the folders, readable by this user only."""
        for folder in (self.root, self.logs, self.socket.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one process at a time start or stop this system; others wait."""
        self.create()
        with (self.root / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def restrict(self) -> None:
        """Restrict the folder to its owner. If that is root, others may pass: the database runs as another user."""
        self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)

    def clear(self) -> None:
        """Remove the gallery and the admin key that belongs to it."""
        shutil.rmtree(self.data, ignore_errors=True)
        for path in (self.database_url, self.admin_key):
            path.unlink(missing_ok=True)
