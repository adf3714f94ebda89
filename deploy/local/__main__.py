"""`python -m deploy.local up | down | status | demo`; `make help` shows the same as targets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from deploy.local.state_folder import StateFolder
from deploy.local.supervision import SupervisionError
from deploy.local.system import System


def main(arguments: list[str] | None = None) -> int:
    """Return 0, 1 if the demo went wrong, or 2 after a message that says what to do."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        return int(options.verb(options, console))
    except SupervisionError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130


def up(options: argparse.Namespace, console: Console) -> int:
    """Start the system in the background."""
    system = System(StateFolder(options.folder), console)
    started = system.up(options.port, fresh=options.fresh)
    console.print(
        "MedReID is up." if started else "MedReID is up already. To change its port, run `make down` first.",
        *system.description(),
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def down(options: argparse.Namespace, console: Console) -> int:
    """Stop it."""
    stopped = System(StateFolder(options.folder), console).down()
    console.print("MedReID is down." if stopped else "MedReID was not running.")
    return 0


def status(options: argparse.Namespace, console: Console) -> int:
    """Show processes and memory."""
    system = System(StateFolder(options.folder), console)
    console.print(system.status() if system.supervisor.is_running() else "MedReID is not running.")
    return 0


def demo(options: argparse.Namespace, console: Console) -> int:
    """Enrol, identify, show."""
    from deploy.local.demo import run_demo  # noqa: PLC0415 - slow to import, and only the demonstration needs it

    return run_demo(options, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=StateFolder().root, help="folder that holds the state (default: .run)"
    )
    verbs = parser.add_subparsers(required=True)
    for verb in (up, demo, down, status):
        added = verbs.add_parser(verb.__name__, help=verb.__doc__)
        added.set_defaults(verb=verb)
        if verb in (up, demo):
            added.add_argument("--port", type=int, default=8000)
            added.add_argument("--fresh", action="store_true", help="begin with an empty gallery")
        if verb is demo:
            added.add_argument("--exit", action="store_true", help="stop after the table")
            added.add_argument("--data", type=Path, help="bundle of the test split to identify")
            added.add_argument("--url", help="a gateway that runs elsewhere; its key in MEDREID_KEY")
    return parser


if __name__ == "__main__":
    sys.exit(main())
