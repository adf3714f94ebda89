"""Loss and accuracy curves of a run, as a picture."""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot

mpl.use("Agg")


def plot_curves(log: Path, picture: Path) -> None:
    """Draw the columns of a run's `log.csv`: losses on the left, everything between 0 and 1 on the right."""
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
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
