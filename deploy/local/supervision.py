"""Keeping the processes up: a supervisord of our own, configured, started, asked and stopped."""

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
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from deploy.local.processes import mark
from deploy.local.programs import FRUGAL, Program
from deploy.local.state_folder import REPOSITORY, StateFolder

STOP_SECONDS = 20
"""What a process may take after SIGTERM: the drain of a service (10 s) with room to spare."""

START_SECONDS = 5
"""A process that dies sooner has failed to start: it is tried again with growing pauses, and then given up."""


class SupervisionError(Exception):
    """The supervisor does not start, or does not do as it is told; says what to do."""


@dataclass(frozen=True)
class ProgramState:
    """What the supervisor says about one process."""

    group: str
    name: str
    state: str
    pid: int

    @property
    def given_up(self) -> bool:
        """It died at every start, and is no longer started."""
        return self.state == "FATAL"

    @property
    def in_trouble(self) -> bool:
        """It died, and is to be started again or has been given up."""
        return self.state in {"BACKOFF", "EXITED", "FATAL"}


class Supervisor:
    """The supervisor of one place. It restarts a process that dies, whatever the reason."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder

    def start(self, programs: Sequence[Program]) -> None:
        """Start the supervisor and the programs of the group `database`; it survives this process."""
        self._folder.configuration.write_text(configuration(self._folder, programs), encoding="utf-8")
        self._folder.configuration.chmod(0o600)
        command = [sys.executable, "-m", "deploy.local.preloading", "-c", str(self._folder.configuration)]
        started = subprocess.run(  # noqa: S603
            command,
            cwd=REPOSITORY,
            env={**os.environ, **FRUGAL, **mark(self._folder, "supervisor")},  # some are read when libraries are loaded
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
        """All programs; empty where no supervisor runs."""
        try:
            answer = self._call("getAllProcessInfo")
        except SupervisionError:
            return []
        return [ProgramState(p["group"], p["name"], p["statename"], p["pid"]) for p in answer]

    def is_running(self) -> bool:
        """Whether it answers."""
        return bool(self.states())

    def stop(self) -> None:
        """Ask it to stop everything: gateway first, then the models, then the database; returns at once."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._folder.socket}")
        try:
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        except (OSError, HTTPException, Fault) as error:
            raise SupervisionError(f"The supervisor does not answer: {error}") from None


def configuration(folder: StateFolder, programs: Sequence[Program]) -> str:
    """The supervisor's configuration file. Groups start and stop in the order of the programs (stopping: reversed)."""
    sections: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": folder.socket, "chmod": "0600"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "supervisord": {
            "logfile": folder.logs / "supervisor.log",
            "pidfile": folder.pid,
            "childlogdir": folder.logs,
            "directory": REPOSITORY,
            "minfds": 1024,
            **({"user": "root"} if os.geteuid() == 0 else {}),
        },
    }
    groups = list(dict.fromkeys(program.group for program in programs))
    for program in programs:
        sections[f"program:{program.name}"] = _section(folder, program)
    for priority, group in enumerate(groups):
        members = ",".join(program.name for program in programs if program.group == group)
        sections[f"group:{group}"] = {"programs": members, "priority": priority}
    return _ini(sections)


def _section(folder: StateFolder, program: Program) -> dict[str, object]:
    return {
        "command": shlex.join(program.command),
        "environment": ",".join(f"{name}={_quoted(value)}" for name, value in program.environment.items()),
        "autostart": str(program.autostart).lower(),
        "autorestart": "true",
        "startsecs": START_SECONDS,
        "startretries": 3,
        "stopwaitsecs": STOP_SECONDS,
        "redirect_stderr": "true",
        "stdout_logfile": folder.logs / f"{program.name}.out",
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 1,
    }


def _quoted(value: str) -> str:
    """Quoted for the supervisor's list of variables, which knows both quotes but no way to escape one."""
    quote = "'" if '"' in value else '"'
    if quote in value:
        raise SupervisionError(f"The supervisor cannot pass on a value with both kinds of quotes: {value}")
    return f"{quote}{value}{quote}"


def _ini(sections: dict[str, dict[str, object]]) -> str:
    parser = configparser.RawConfigParser()
    for name, options in sections.items():
        # the supervisor expands %(name)s in every value
        parser[name] = {key: str(value).replace("%", "%%") for key, value in options.items()}
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()
