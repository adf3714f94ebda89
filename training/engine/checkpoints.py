"""Files of a training run: what its checkpoints belong to, and its curves.

A run continues from its last epoch, and a finished one is read. With another configuration, or other images, that would
ship a model of the old ones, so it is refused.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot

from training.configuration import ClassifierConfiguration, IdentifierConfiguration
from training.data.bundle_manifest import Row

OWNER_FILE = "belongs-to.txt"
LOG_FILE = "log.csv"

mpl.use("Agg")


def claim(run: Path, configuration: ClassifierConfiguration | IdentifierConfiguration, rows: Iterable[Row]) -> None:
    """Note in the folder of a run which configuration and images its checkpoints are of.

    `rows` are the training images. A discriminant leaves no checkpoints, so nothing is written for it.

    Raises:
        ValueError: the folder has checkpoints of another configuration or of other images.
    """
    if isinstance(configuration, IdentifierConfiguration) and configuration.discriminant:
        return
    images = sorted((row.path, row.subject, row.split, row.role) for row in rows)
    owner = f"{configuration.model_dump_json()}\n{hashlib.sha256(repr(images).encode()).hexdigest()}\n"
    file = run / OWNER_FILE
    if file.is_file() and file.read_text(encoding="utf-8") != owner:
        raise ValueError(
            f"{run} has checkpoints of another configuration or of other images. Delete them with --restart, or name"
            " another folder with --runs."
        )
    run.mkdir(parents=True, exist_ok=True)
    file.write_text(owner, encoding="utf-8")


def start_run(run: Path, *, restart: bool) -> None:
    """Create the folder of a run; with `restart`, empty it first."""
    if restart:
        shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True, exist_ok=True)


def plot_curves(run: Path) -> None:
    """Draw `curves.png` from a run's log: losses on the left, figures between 0 and 1 on the right.

    A discriminant has no log and no curves.
    """
    log = run / LOG_FILE
    if not log.is_file():
        return
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if name not in {"epoch", "learning_rate"}]
    figure, (losses, scores) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name in names:
        axis = losses if name.endswith("loss") else scores
        axis.plot([float(row[name]) for row in rows], marker=".", label=name)
    for axis, title in ((losses, "loss"), (scores, "validation and accuracy")):
        axis.set(title=title, xlabel="epoch")
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(fontsize="small")
    figure.savefig(run / "curves.png", dpi=110)
    pyplot.close(figure)
