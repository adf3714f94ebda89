"""Plots of a comparison: throughput and latency, one bar for each system."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

from benchmarks.report.acceptance import Results

mpl.use("Agg")
import matplotlib.pyplot as plt

MEASURES = {"throughput": "requests per second", "p50": "median ms of one request at a time", "cpu_ms": "CPU ms each"}


def draw(comparison: Results, folder: Path) -> list[Path]:
    """Draw one plot for each variant and return the files."""
    return [_variant(variant, found, folder) for variant, found in comparison.items()]


def _variant(variant: str, found: Results, folder: Path) -> Path:
    figure, axes = plt.subplots(1, len(MEASURES), figsize=(12, 3.6), sharey=True, layout="constrained")
    names = list(found)[::-1]
    for axis, (measure, label) in zip(axes, MEASURES.items(), strict=True):
        values = [np.asarray(found[name][measure], float) for name in names]
        axis.barh(names, [np.median(v) for v in values], color="#4c78a8")
        for place, rounds in enumerate(values):
            axis.plot(rounds, [place] * len(rounds), "k.", markersize=3)
        axis.set_xlabel(label)
    figure.suptitle(f"{variant}; dots are rounds")
    path = folder / f"{variant.replace(' ', '-')}.png"
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
