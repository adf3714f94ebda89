"""Starting, stopping and describing the system of one place."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict

import psutil
from rich.console import Console
from rich.table import Table

from deploy.local.processes import find, memory, stop_leftovers
from deploy.local.programs import GATEWAY, MODELS, is_free, programs
from deploy.local.readiness import those_ready, wait_for_services, wait_until
from deploy.local.state_folder import StateFolder
from deploy.local.supervision import STOP_SECONDS, SupervisionError, Supervisor
from gateway.auth.keys import KeyRepository
from gateway.auth.scopes import Scope
from shared.database.connections import open_database
from shared.database.migrate import migrate
from shared.database.settings import DatabaseSettings

LOG_LINES = 15


class System:
    """All services and the database, with their state below `folder.root`."""

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
        """The key with every scope."""
        return self.folder.admin_key.read_text(encoding="utf-8").strip()

    def description(self) -> list[str]:
        """What a person opens next."""
        return [
            f"  web page   {self.address}/",
            f"  API        {self.address}/docs",
            f"  admin key  {self.folder.admin_key}",
        ]

    def up(self, port: int, *, fresh: bool = False) -> bool:
        """Return when everything is ready; False where it was so already. `fresh` begins with an empty gallery."""
        with self.folder.lock():
            return self._up(port, fresh=fresh)

    def wait(self) -> None:
        """Return when every service is ready."""
        wait_for_services(self.addresses, self.supervisor, self.console)

    def down(self) -> bool:
        """Stop everything gracefully, whatever state it is in; False where nothing ran."""
        with self.folder.lock():
            return self._down()

    def _up(self, port: int, *, fresh: bool) -> bool:
        if self.supervisor.is_running():
            if not fresh:
                self.wait()
                return False
            self._down()
        stop_leftovers(self.folder, STOP_SECONDS)
        if not is_free(port):
            raise SupervisionError(f"Port {port} is taken. Choose another: PORT={port + 1}")
        if fresh:
            self.folder.forget()
        try:
            self._start(port)
        except BaseException:
            self._show_logs()
            self._down()
            raise
        return True

    def _start(self, port: int) -> None:
        self.folder.database_url.unlink(missing_ok=True)
        all_programs = programs(self.folder, port)
        addresses = {program.name: program.address for program in all_programs if program.address}
        self.folder.addresses.write_text(json.dumps(addresses), encoding="utf-8")
        self.supervisor.start(all_programs)
        wait_until(self.folder.database_url.is_file, "the database", self.supervisor)
        self.folder.close()
        for group in (MODELS, GATEWAY):
            self.supervisor.start_group(group)
        self._prepare_database()
        self.wait()

    def _prepare_database(self) -> None:
        """Migrate, and make the admin key once; meanwhile the services load their models."""
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
            self._wait_for_end()
        return bool(stop_leftovers(self.folder, STOP_SECONDS)) or was_running

    def _wait_for_end(self) -> None:
        deadline = time.monotonic() + 3 * STOP_SECONDS
        while self.supervisor.is_running() and time.monotonic() < deadline:
            time.sleep(0.1)

    def status(self) -> Table:
        """Every process with its state and the memory it takes (proportional set size).

        A service that would serve is `ready`; of everything else the supervisor knows the state.
        """
        used: defaultdict[str, int] = defaultdict(int)
        for name, process in find(self.folder):
            try:
                used[name] += memory(process)
            except (OSError, psutil.Error):
                continue
        table = Table("process", "state", "pid", "PSS MB", caption=f"{sum(used.values()) / 1e6:.0f} MB in all")
        states = self.supervisor.states()
        ready = those_ready(self.addresses) if states else set()
        for state in states:
            word = "ready" if state.name in ready else state.state.lower()
            table.add_row(state.name, word, str(state.pid), f"{used.pop(state.name, 0) / 1e6:.0f}")
        for name, size in used.items():
            table.add_row(name, "", "", f"{size / 1e6:.0f}")
        return table

    def _show_logs(self) -> None:
        """The end of what every process that died has logged, or said otherwise."""
        for name in (state.name for state in self.supervisor.states() if state.in_trouble):
            for log in (self.folder.logs / f"{name}.log", self.folder.logs / f"{name}.out"):
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
                if lines:
                    self.console.print(
                        str(log), *lines[-LOG_LINES:], sep="\n", markup=False, highlight=False, soft_wrap=True
                    )


async def _create_key(settings: DatabaseSettings) -> str:
    async with open_database(settings) as database:
        return await KeyRepository(database).create("admin of the local system", list(Scope))
