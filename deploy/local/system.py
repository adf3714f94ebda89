"""Start, stop and describe the system of one state folder."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from deploy.local.processes import find, memory, stop_leftovers
from deploy.local.programs import DATABASE, GATEWAY, MODELS, is_free, programs
from deploy.local.readiness import ready_services, wait_for_services, wait_until
from deploy.local.state_folder import REPOSITORY, StateFolder
from deploy.local.supervision import STOP_SECONDS, SupervisionError, Supervisor
from gateway.auth.keys import KeyRepository
from gateway.auth.scopes import Scope
from shared.database.migrate import migrate
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings

LOG_LINES = 15
UNUSABLE = frozenset('"$`\\')
"""PostgreSQL's own tools pass their path to a shell between double quotes."""


class System:
    """All services and the database, with their state in `folder`."""

    def __init__(self, folder: StateFolder, console: Console) -> None:
        self.folder = folder
        self.console = console
        self.supervisor = Supervisor(folder)

    @property
    def address(self) -> str:
        """URL of the gateway."""
        return self.addresses[GATEWAY]

    @property
    def addresses(self) -> dict[str, str]:
        """URL of every service by its name."""
        return dict(json.loads(self.folder.addresses.read_text(encoding="utf-8")))

    @property
    def admin_key(self) -> str:
        """The API key with every scope."""
        return self.folder.admin_key.read_text(encoding="utf-8").strip()

    def description(self) -> list[str]:
        """Return the lines that tell a person what to open next."""
        return [
            f"  web page   {self.address}/",
            f"  API        {self.address}/docs",
            f"  admin key  {self.folder.admin_key}",
        ]

    def up(self, port: int, *, fresh: bool = False) -> bool:
        """Start the system and return when all of it is ready.

        Args:
            port: The gateway's port.
            fresh: Begin with an empty gallery.

        Returns:
            False if it was running already.

        Raises:
            SupervisionError: It cannot be started; the message says what to do.
        """
        with self.folder.lock():
            return self._up(port, fresh=fresh)

    def wait(self) -> None:
        """Return when every service is ready."""
        wait_for_services(self.addresses, self.supervisor, self.console)

    def down(self) -> bool:
        """Stop everything gracefully, in any state. Return False if nothing ran."""
        with self.folder.lock():
            return self._down()

    def _up(self, port: int, *, fresh: bool) -> bool:
        if self.supervisor.is_running():
            if not fresh:
                self.wait()
                return False
            self._down()
        stop_leftovers(self.folder, STOP_SECONDS)
        for path in (REPOSITORY, self.folder.root):
            if found := UNUSABLE & set(str(path)):
                raise SupervisionError(
                    f"PostgreSQL cannot run in a folder with {min(found)} in its path. Move it: {path}"
                )
        if not is_free(port):
            raise SupervisionError(f"Port {port} is taken. Choose another: PORT={port + 1}")
        if fresh:
            self.folder.clear()
        try:
            self._start(port)
        except BaseException:
            self._show_logs()
            self._down()
            raise
        return True

    def _start(self, port: int) -> None:
        self.folder.database_url.unlink(missing_ok=True)
        all_programs = programs(port)
        addresses = {program.name: program.address for program in all_programs if program.address}
        self.folder.addresses.write_text(json.dumps(addresses), encoding="utf-8")
        self.supervisor.start(all_programs)
        wait_until(self.folder.database_url.is_file, "the database", self.supervisor)
        self.folder.restrict()
        for group in (MODELS, GATEWAY):
            self.supervisor.start_group(group)
        self._prepare_database()
        self.wait()

    def _prepare_database(self) -> None:
        """Migrate the schema and create the admin key once, while the services load their models."""
        settings = DatabaseSettings(database_url_file=self.folder.database_url)
        migrate(settings.url)
        if not self.folder.admin_key.exists():
            key = asyncio.run(_create_key(settings))
            self.folder.admin_key.touch(mode=0o600)
            self.folder.admin_key.write_text(f"{key}\n", encoding="utf-8")

    def _down(self) -> bool:
        was_running = self.supervisor.is_running()
        if was_running:
            self.supervisor.stop()
            deadline = time.monotonic() + 3 * STOP_SECONDS
            while self.supervisor.is_running() and time.monotonic() < deadline:
                time.sleep(0.1)
        return bool(stop_leftovers(self.folder, STOP_SECONDS)) or was_running

    def status(self) -> Table:
        """Return a table of the processes: state, pid and memory (proportional set size).

        The state is `ready` if the process would serve at this moment, otherwise the supervisor's word.
        """
        used: defaultdict[str, int] = defaultdict(int)
        for name, process in find(self.folder):
            try:
                used[name] += memory(process)
            except (OSError, psutil.Error):
                continue
        table = Table("process", "state", "pid", "PSS MB", caption=f"{sum(used.values()) / 1e6:.0f} MB in all")
        states = self.supervisor.states()
        ready = self._ready() if states else set()
        for state in states:
            word = "ready" if state.name in ready else state.state.lower()
            table.add_row(state.name, word, str(state.pid), f"{used.pop(state.name, 0) / 1e6:.0f}")
        for name, size in used.items():
            table.add_row(name, "", "", f"{size / 1e6:.0f}")
        return table

    def _ready(self) -> set[str]:
        ready = ready_services(self.addresses)
        try:
            psycopg.connect(self.folder.database_url.read_text(encoding="utf-8"), connect_timeout=2).close()
        except (OSError, psycopg.Error):
            return ready
        return ready | {DATABASE}

    def _show_logs(self) -> None:
        """Print the last lines of every process that ended by itself."""
        for name in (state.name for state in self.supervisor.states() if state.in_trouble):
            log = self.folder.logs / f"{name}.log"
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
            self.console.print(str(log), *lines[-LOG_LINES:], sep="\n", markup=False, highlight=False, soft_wrap=True)


async def _create_key(settings: DatabaseSettings) -> str:
    async with open_database(settings) as database:
        return await KeyRepository(database).create("admin of the local system", list(Scope))
