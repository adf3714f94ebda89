"""The supervisor, which has imported what its programs need: `python -m deploy.local.preloading -c CONFIGURATION`.

Every service is an interpreter with the same libraries, 50 to 60 MB before it does anything. A supervisor forks and
then executes a program; here a program of this Python goes on in the fork, whose pages are its parent's until somebody
writes to them (copy on write). What the supervisor knows of its programs stays as it is: each is its own child.

Only on Linux: elsewhere libraries do not bear a fork without an execution, and programs are executed.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from supervisor import supervisord
from supervisor.options import ServerOptions

from deploy.local.processes import NAME_VARIABLE, TITLE

MODULES = (
    "gateway.application",
    "shared.classification.service",
    "shared.identification.service",
    "shared.models.litert",
    "shared.service.server",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
)
"""What the services import, some of it late: nothing that starts a thread or opens anything."""

ARGUMENTS = 45
"""Where /proc/PID/stat says, counted from the state, at which addresses the command line begins and ends (proc(5))."""


class PreloadedOptions(ServerOptions):  # type: ignore[misc] # a library without types
    """The supervisor's options, which are also its way to the operating system."""

    def execve(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> Any:
        """Go on as the program, in the fork that the supervisor has made for it."""
        program = of_this_python(argv) if sys.platform == "linux" else None
        if program is None:
            return super().execve(filename, argv, env)
        return _become(program, argv, env)


def of_this_python(argv: Sequence[str]) -> Callable[[], object] | None:
    """What `python SCRIPT…` or `python -m MODULE…` of this interpreter would run; None where `argv` is neither."""
    if not argv or argv[0] != sys.executable:
        return None
    if argv[1:2] == ["-m"] and len(argv) > 2:
        return lambda: runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
    if len(argv) > 1 and argv[1].endswith(".py"):
        return lambda: runpy.run_path(argv[1], run_name="__main__")
    return None


def _become(program: Callable[[], object], argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Everything that an execution would have made anew, then the program; nothing of the supervisor runs again."""
    status: object = 0
    try:
        for sign in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2):
            signal.signal(sign, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(env)
        tempfile.tempdir = None  # as TMPDIR says now
        sys.argv = list(argv[2:] if argv[1] == "-m" else argv[1:])
        sys.stdout, sys.stderr = (os.fdopen(fd, "w", 1, encoding="utf-8", closefd=False) for fd in (1, 2))
        entitle(env.get(NAME_VARIABLE, "?"))
        program()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        os._exit(status if isinstance(status, int) else int(status is not None))


def entitle(name: str) -> None:
    """Write the name over the command line, as PostgreSQL does: the supervisor's own would tell nobody who this is."""
    with suppress(OSError, ValueError, IndexError):
        begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[ARGUMENTS : ARGUMENTS + 2])
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(begin)
            memory.write(f"{TITLE}{name}".encode()[: end - begin - 1].ljust(end - begin, b"\0"))


def preload() -> None:
    """Import, and keep the collector of garbage from writing to what will be shared."""
    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def main(arguments: Sequence[str]) -> None:
    """Supervise until told to stop; goes into the background where the configuration says so."""
    if sys.platform == "linux":
        preload()
    options = PreloadedOptions()
    options.realize(list(arguments), doc=supervisord.__doc__)
    options.first, options.test = True, False
    supervisord.go(options)
    options.close_httpservers()
    options.close_logger()


if __name__ == "__main__":
    main(sys.argv[1:])
