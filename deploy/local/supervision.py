"""Run the processes of a system under supervisord: configure it, start it, query it, stop it."""

from __future__ import annotations

import configparser
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from deploy.local.programs import NAME_VARIABLE, Program, environment
from deploy.local.state_folder import StateFolder

STOP_SECONDS = 20
"""Time a process may take after SIGTERM: a service drains for 10 s."""

START_SECONDS = 5
"""A process that ends sooner has failed to start. It is started again with growing pauses, three times."""


class SupervisionError(Exception):
    """The system cannot be started or controlled; the message says what to do."""


@dataclass(frozen=True)
class ProgramState:
    """The supervisor's view of one process."""

    name: str
    state: str
    pid: int

    @property
    def given_up(self) -> bool:
        """Whether it ended at every start and is no longer started."""
        return self.state == "FATAL"

    @property
    def in_trouble(self) -> bool:
        """Whether it ended by itself."""
        return self.state in {"BACKOFF", "EXITED", "FATAL"}


class Supervisor:
    """The supervisor of one state folder. It restarts every process that ends."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    def start(self, programs: Sequence[Program]) -> None:
        """Start the supervisor and the database; the supervisor outlives this process."""
        self._folder.configuration.write_text(configuration(self._folder, programs), encoding="utf-8")
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", self._folder.configuration.name]
        started = subprocess.run(  # noqa: S603
            command,
            cwd=self._folder.root,
            env=environment(self._folder),
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )
        if started.returncode:
            raise SupervisionError(f"The supervisor does not start: {started.stderr or started.stdout}")

    def start_group(self, group: str) -> None:
        """Start a group of programs without waiting for them."""
        wait = False
        self._call("startProcessGroup", group, wait)

    def states(self) -> list[ProgramState]:
        """Return all programs; empty if no supervisor runs."""
        try:
            answer = self._call("getAllProcessInfo")
        except SupervisionError:
            return []
        return [ProgramState(p["name"], p["statename"], p["pid"]) for p in answer]

    def is_running(self) -> bool:
        """Return whether it answers."""
        return bool(self.states())

    def stop(self) -> None:
        """Begin to stop everything: the gateway first, then the models, then the database."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._folder.socket}")
        try:
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except (OSError, HTTPException, Fault) as error:
            raise SupervisionError(f"The supervisor does not answer: {error}") from None


def configuration(folder: StateFolder, programs: Sequence[Program]) -> str:
    """Return the supervisor's configuration file.

    Its paths are relative to the state folder or variables of the environment. The file format has no way to write
    a `%`, a quote or a `;` that is safe in every option.
    """
    sections: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": folder.socket, "chmod": "0600"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "supervisord": {
            "logfile": f"{folder.logs.name}/supervisor.log",
            "pidfile": folder.pid.name,
            "childlogdir": folder.logs.name,
            **({"user": "root"} if os.geteuid() == 0 else {}),
        },
        **{f"program:{program.name}": _section(folder, program) for program in programs},
    }
    for priority, group in enumerate(dict.fromkeys(program.group for program in programs)):
        members = ",".join(program.name for program in programs if program.group == group)
        sections[f"group:{group}"] = {"programs": members, "priority": priority}
    parser = configparser.RawConfigParser()
    parser.read_dict(sections)
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _section(folder: StateFolder, program: Program) -> dict[str, object]:
    variables = {NAME_VARIABLE: program.name, **program.environment}
    return {
        "command": shlex.join([Path(sys.executable).name, *program.arguments]),
        "directory": program.directory,
        "environment": ",".join(f"{name}='{value}'" for name, value in variables.items()),
        "autostart": program.autostart,
        "autorestart": True,
        "startsecs": START_SECONDS,
        "stopwaitsecs": STOP_SECONDS,
        "redirect_stderr": True,
        "stdout_logfile": f"{folder.logs.name}/{program.name}.log",
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 1,
    }
