"""One plot over all tracks: rank-1 of ours with its interval against every baseline, the two kinds of track apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from training.evaluation.style import BLUE, GREY, SETTINGS, LineStyle, styles

Figures = Mapping[str, Any]
"""A track as `report.json` has it."""
FAMILIES = {"frozen": "frozen features", "whitened": "frozen features, whitened"}
"""Trunks differ from one modality to the next; the plot tells the best of each family."""


def plot_overview(tracks: Sequence[Figures], out: Path) -> None:
    """Write `overview.png` from the tracks of `report.json`."""
    groups = [[t for t in tracks if t["kind"] == kind] for kind in ("separate acquisitions", "same scan")]
    shown = [group for group in groups if group]
    families = list(dict.fromkeys(family(m["method"]) for t in tracks for m in t["methods"] if not m["control"]))
    with pyplot.rc_context(SETTINGS):
        figure, axes = pyplot.subplots(
            len(shown),
            1,
            figsize=(10, 1.6 + 0.62 * len(tracks) + 0.5 * len(shown)),
            height_ratios=[len(group) + 0.4 for group in shown],
            layout="constrained",
            sharex=True,
            squeeze=False,
        )
        for axis, group in zip(axes[:, 0], shown, strict=True):
            _panel(axis, group, styles(families))
        axes[-1, 0].set_xlabel("rank-1, % of queries (95 % interval by bootstrap over subjects)")
        handles, names = axes[0, 0].get_legend_handles_labels()
        unique = dict(zip(names, handles, strict=True))
        figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=3)
        figure.savefig(out / "overview.png", dpi=110)
        pyplot.close(figure)


def family(method: str) -> str:
    """What a method is called over all modalities."""
    if not method.startswith("frozen"):
        return method
    return FAMILIES["whitened" if method.endswith("whitened") else "frozen"]


def _panel(axis: Any, tracks: Sequence[Figures], drawn: Mapping[str, LineStyle]) -> None:
    for line, track in enumerate(tracks):
        for name, figure in best_of_families(track).items():
            style, value = drawn[name], 100 * figure["value"]
            ours = style.colour == BLUE
            if ours:
                ends = [100 * figure["low"], 100 * figure["high"]]
                axis.plot(ends, [line, line], color=BLUE, linewidth=8, alpha=0.22, solid_capstyle="butt")
            size = 100 if ours else 42
            axis.scatter(value, line, size, color=style.colour, marker=style.marker, label=name, zorder=3 + ours)
        axis.scatter(100 * track["rank1_by_chance"], line, 110, color=GREY, marker="|", label="chance", zorder=2)
    names = [f"{t['track']}\n{t['queries']} queries, {t['gallery_subjects']} enrolled" for t in tracks]
    axis.set_yticks(range(len(tracks)), names)
    axis.set(title=tracks[0]["kind"], xlim=(-2, 102), ylim=(len(tracks) - 0.5, -0.5))
    axis.grid(visible=False, axis="y")


def best_of_families(track: Figures) -> dict[str, dict[str, float]]:
    """Rank-1 of the best method of every family."""
    best: dict[str, dict[str, float]] = {}
    for method in track["methods"]:
        name, figure = family(method["method"]), method["identification"]["rank1"]
        if not method["control"] and figure["value"] >= best.get(name, figure)["value"]:
            best[name] = figure
    return best
