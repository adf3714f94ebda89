"""`python -m benchmarks.flames`: flame graphs of our processes under load, by py-spy, as SVG."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from rich.progress import Progress

from benchmarks.comparison import CALLERS
from benchmarks.contenders import Contender, of_ours
from benchmarks.load.worker import Worker
from benchmarks.ours import running
from benchmarks.prepare import ROOT, Workload, prepare

PATIENTS = 200
SECONDS = 15
RATE = 500
"""Samples a second."""


def draw(workload: Workload, folder: Path) -> list[Path]:
    """The gateway, COMPA and the service of the modality that comes first, with everything switched on."""
    modality = workload.modalities[0]
    shown = {"gateway": workload.pictures, "compa-service": workload.pictures}
    shown[f"{modality}-service"] = workload.of(modality)
    with running(workload.gallery, local=True) as ours, Worker() as generator:
        system = of_ours(ours, generator)
        system.saturate(workload.pictures, 2.0, CALLERS)
        return [_record(system, name, pictures, folder) for name, pictures in shown.items()]


def _record(system: Contender, name: str, pictures: object, folder: Path) -> Path:
    pid = next(process.pid for known, process in system.processes() if known == name)
    path = folder / f"{name}.svg"
    spy = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--output", str(path)]
    system.worker.begin(system.planned(pictures=pictures, seconds=SECONDS + 2.0, connections=CALLERS))
    done = subprocess.run(  # noqa: S603
        [*spy, "--duration", str(SECONDS), "--rate", str(RATE), "--nonblocking"],
        capture_output=True,
        text=True,
        check=False,
    )
    system.worker.finish()
    if done.returncode:
        raise RuntimeError(f"py-spy: {done.stderr.strip() or done.stdout.strip()}")
    return path


def main() -> int:
    """Draw them; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder (default: .bench/results)")
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(transient=True) as progress:
        workload = prepare(None, PATIENTS, progress)
    for path in draw(workload, folder):
        print(path)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
