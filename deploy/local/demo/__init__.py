"""The demonstration: enrol people, identify other pictures of them and of strangers, show a table."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal

from rich.console import Console

from deploy.local.demo.bundle_patients import run_bundle
from deploy.local.demo.demo_api import Api, ApiError
from deploy.local.demo.sample_patients import run_samples
from deploy.local.state_folder import StateFolder
from deploy.local.supervision import SupervisionError
from deploy.local.system import System

KEY_VARIABLE = "MEDREID_KEY"


def run_demo(options: argparse.Namespace, console: Console) -> int:
    """Run on the local system, which is started if necessary, or on the one at `options.url`."""
    if options.url:
        return _show(options, console, options.url, os.environ.get(KEY_VARIABLE, ""))
    # real patients get their own gallery, empty each time: no other gallery is touched
    place = options.folder / "bundle-demo" if options.data else options.folder
    system = System(StateFolder(place), console)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop everything, as Ctrl-C does
    started = system.up(options.port, fresh=options.fresh or bool(options.data))
    try:
        code = _show(options, console, system.address, system.admin_key)
        if not options.exit:
            _stay(system, console, started=started)
    finally:
        if started:
            system.down()
    return code


def _show(options: argparse.Namespace, console: Console, url: str, key: str) -> int:
    try:
        with Api(url, key) as api:
            return run_bundle(api, options.data, console) if options.data else run_samples(api, console)
    except (ApiError, ValueError) as error:
        raise SupervisionError(str(error)) from None


def _stay(system: System, console: Console, *, started: bool) -> None:
    console.print(*system.description(), sep="\n", highlight=False, soft_wrap=True)
    if started:
        console.print("Ctrl-C stops it.")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
