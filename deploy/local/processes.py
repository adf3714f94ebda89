"""Finding the processes of a place by a mark in their environment: for their memory, and after an accident."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from deploy.local.state_folder import StateFolder

PLACE_VARIABLE = "MEDREID_LOCAL_PLACE"
NAME_VARIABLE = "MEDREID_LOCAL_NAME"
TITLE = "medreid: "
"""Before the name, in the command line of a fork of the supervisor: its environment seems to be the supervisor's."""


def mark(folder: StateFolder, name: str) -> dict[str, str]:
    """Environment of a process by which it is found again."""
    return {PLACE_VARIABLE: str(folder.root), NAME_VARIABLE: name}


def find(folder: StateFolder) -> Iterator[tuple[str, psutil.Process]]:
    """Name and process of everything that belongs to the place, whoever its parent is now."""
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if _is_database(process, folder.data):
                yield "database", process
                yield from (("database", child) for child in process.children(recursive=True))
            elif process.environ().get(PLACE_VARIABLE) == str(folder.root):
                yield _name(process), process
        except psutil.Error:
            continue


def stop_leftovers(folder: StateFolder, patience_s: float) -> int:
    """Stop what a supervisor left behind that was itself killed; returns how many processes that were."""
    leftovers = [process for _, process in find(folder)]
    for process in leftovers:
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(leftovers, timeout=patience_s)
    for process in alive:
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=5)
    return len(leftovers)


def memory(process: psutil.Process) -> int:
    """Proportional set size in bytes: shared pages are divided among those who share them."""
    for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return 1024 * int(line.split()[1])
    return 0


def _name(process: psutil.Process) -> str:
    title = " ".join(process.cmdline()).strip()  # the rest of the line is zeros
    return title.removeprefix(TITLE) if title.startswith(TITLE) else process.environ().get(NAME_VARIABLE, "?")


def _is_database(process: psutil.Process, data: Path) -> bool:
    """The server hides its environment behind its title, but its command line names the data folder."""
    return process.name() == "postgres" and str(data) in process.cmdline()


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill() if kill else process.terminate()
