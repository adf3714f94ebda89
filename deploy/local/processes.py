"""Find the running processes of a system, measure their memory, and stop what an accident left running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psutil

from deploy.local.programs import DATABASE, FOLDER_VARIABLE, NAME_VARIABLE
from deploy.local.state_folder import StateFolder


def find(folder: StateFolder) -> Iterator[tuple[str, psutil.Process]]:
    """Yield name and process of everything that belongs to the system, independent of its present parent."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.name() == "postgres" and str(folder.data) in process.cmdline():
                # the server overwrites its environment with its title, but its arguments name the data folder
                yield DATABASE, process
                yield from ((DATABASE, child) for child in process.children(recursive=True))
            elif (environment := process.environ()).get(FOLDER_VARIABLE) == str(folder.root):
                yield environment.get(NAME_VARIABLE, "?"), process


def stop_leftovers(folder: StateFolder, patience_s: float) -> int:
    """Stop the processes that a killed supervisor left behind. Return their number."""
    leftovers = [process for _, process in find(folder)]
    for process in leftovers:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(leftovers, timeout=patience_s)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(leftovers)


def memory(process: psutil.Process) -> int:
    """Return the proportional set size in bytes: a page that n processes share counts 1/n in each."""
    return int(process.memory_full_info().pss)
