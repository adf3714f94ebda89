"""The look of every plot of the report: colours for colour-blind readers, and a line style for each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
"""Okabe & Ito, "Color universal design" (2008)."""
GREY, LIGHT = "#6E6E6E", "#C8C8C8"
SETTINGS: Any = {
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.titlesize": 14,
    "figure.titleweight": "bold",
}
BASELINES = (
    (ORANGE, "--", "s"),
    (GREEN, "-.", "^"),
    (VERMILION, (0, (5, 1)), "D"),
    (PURPLE, (0, (3, 1, 1, 1)), "v"),
    (SKY, (0, (1, 1)), "P"),
    (GREY, "--", "X"),
    (ORANGE, ":", "<"),
    (GREEN, ":", ">"),
)
"""Colour, line and marker of each baseline."""


@dataclass(frozen=True)
class LineStyle:
    """The style of one method."""

    colour: str
    line: str | tuple[int, tuple[int, ...]]
    marker: str
    width: float = 1.5

    @property
    def plot_arguments(self) -> dict[str, Any]:
        """Arguments of `Axes.plot`."""
        return {"color": self.colour, "linestyle": self.line, "linewidth": self.width}


def styles(methods: Sequence[str], controls: Sequence[str] = ()) -> dict[str, LineStyle]:
    """Return the style of each method. The first is the shipped model and stands out; controls are pale."""
    ours, *others = methods
    found = {ours: LineStyle(BLUE, "-", "o", 2.6)}
    baselines = [name for name in others if name not in controls]
    found |= {name: LineStyle(LIGHT, ":", "x", 2.0) for name in controls}
    found |= {name: LineStyle(*BASELINES[i % len(BASELINES)]) for i, name in enumerate(baselines)}
    return {name: found[name] for name in methods}
