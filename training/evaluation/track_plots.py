"""A page of six plots for each track, and one overview of all tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from sklearn.metrics import roc_curve  # type: ignore[import-untyped]

from training.evaluation.bootstrap import Array, share_interval, to_interval
from training.evaluation.decisions import ECE_BINS, Decisions
from training.evaluation.plot_style import BLUE, GREEN, GREY, SETTINGS, VERMILION, LineStyle, styles
from training.evaluation.protocol import Track
from training.evaluation.recognition_metrics import Scores, cumulative_match, pairs
from training.evaluation.report_tables import Json, best_of_families, family

RANKS = 10
TICKS = (0.01, 0.1, 1, 5, 20, 100)
"""Percents that are labelled on a logarithmic axis."""


def plot_track(
    track: Track,
    scores: Mapping[str, Scores],
    decisions: Decisions | None,
    out: Path,
    controls: Sequence[str] = (),
) -> None:
    """Write `<track>.png`. The first of `scores` is the shipped model."""
    drawn, ours = styles(list(scores), controls), next(iter(scores.values()))
    with pyplot.rc_context(SETTINGS):
        figure, ((cmc, roc, det), (open_set, spread, reliability)) = pyplot.subplots(
            2, 3, figsize=(14, 9), layout="constrained"
        )
        counts = f"{len(track.queries)} queries, {len(track.subjects)} enrolled, {len(track.impostors)} impostors"
        figure.suptitle(f"{track.name} ({track.kind}: {counts})")
        _cumulative_match(cmc, scores, drawn)
        _pair_errors(roc, det, scores, drawn)
        _open_set(open_set, scores, drawn)
        _distributions(spread, ours)
        _reliability(reliability, decisions)
        handles, names = cmc.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 4), fontsize=10)
        figure.savefig(out / f"{track.name}.png", dpi=110)
        pyplot.close(figure)


def _cumulative_match(axis: Any, scores: Mapping[str, Scores], drawn: Mapping[str, LineStyle]) -> None:
    for name, one in scores.items():
        curve = cumulative_match(one, RANKS)
        ranks, style = np.arange(1, len(curve) + 1), drawn[name]
        axis.plot(ranks, 100 * curve, marker=style.marker, markersize=4, label=name, **style.plot_arguments)
    ours = next(iter(scores.values()))
    draws = ours.draws(0)[0]
    band = [to_interval(draws.means(ours.ranks <= k)) for k in range(1, len(cumulative_match(ours, RANKS)) + 1)]
    low, high = ([100 * getattr(one, side) for one in band] for side in ("low", "high"))
    axis.fill_between(np.arange(1, len(band) + 1), low, high, color=BLUE, alpha=0.13, linewidth=0)
    axis.set(title="Found among the first k (CMC)", xlabel="rank k", ylabel="queries found, %", ylim=(0, 103))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _pair_errors(roc: Any, det: Any, scores: Mapping[str, Scores], drawn: Mapping[str, LineStyle]) -> None:
    """ROC and DET of verification: genuine and impostor pairs of pictures."""
    for name, one in scores.items():
        genuine, impostor = pairs(one)
        if not len(impostor):
            continue
        labels = np.repeat([1, 0], [len(genuine), len(impostor)])
        false_match, true_match, _ = roc_curve(labels, np.concatenate([genuine, impostor]), drop_intermediate=False)
        roc.plot(100 * false_match, 100 * true_match, **drawn[name].plot_arguments)
        det.step(_positive(false_match), _positive(1 - true_match), where="pre", **drawn[name].plot_arguments)
    roc.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    roc.set(title="Same person or not (ROC)", xlabel="false match rate, %", ylabel="true match rate, %", ylim=(0, 103))
    det.plot([0.01, 100], [0.01, 100], color=GREY, linewidth=0.8)
    det.set(title="The same, errors enlarged (DET)", xlabel="false match rate, %", ylabel="false non-match rate, %")
    _logarithmic_percents(det, "x", 0.01)
    _logarithmic_percents(det, "y", 0.3)


def _positive(shares: Array) -> Array:
    """Return percents for a logarithmic axis; 0 lies on its edge."""
    return np.maximum(100 * shares, 0.01)


def _logarithmic_percents(axis: Any, direction: str, lowest: float) -> None:
    getattr(axis, f"set_{direction}scale")("log")
    getattr(axis, f"set_{direction}lim")(lowest, 100)
    labels = getattr(axis, f"{direction}axis")
    labels.set_major_locator(FixedLocator([tick for tick in TICKS if tick >= lowest]))
    labels.set_minor_locator(NullLocator())
    labels.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _open_set(axis: Any, scores: Mapping[str, Scores], drawn: Mapping[str, LineStyle]) -> None:
    """FNIR against FPIR, with one threshold per impostor."""
    axis.set(title="Strangers let in, patients missed", xlabel="FPIR, % of strangers' pictures", ylim=(-2, 103))
    axis.set_ylabel("FNIR, % of queries")
    if not any(len(one.impostors) for one in scores.values()):
        axis.text(0.5, 0.5, "no strangers in this track", ha="center", va="center", transform=axis.transAxes)
        return
    for name, one in scores.items():
        thresholds = np.append(np.sort(one.impostor_tops)[::-1], -np.inf)
        found = (one.ranks == 1) & (one.own > thresholds[:, np.newaxis])
        accepted = np.arange(len(thresholds)) / (len(thresholds) - 1)
        axis.step(100 * accepted, 100 * (1 - found.mean(axis=1)), where="post", **drawn[name].plot_arguments)
    axis.set_xlim(0, 50)


def _distributions(axis: Any, ours: Scores) -> None:
    genuine, impostor = pairs(ours)
    groups = [("genuine", genuine, GREEN), ("all other people", impostor, GREY)]
    if len(ours.impostors):
        groups.append(("stranger, best", ours.impostor_tops, VERMILION))
    edges = np.linspace(min(values.min() for _, values, _ in groups), max(v.max() for _, v, _ in groups) + 1e-9, 30)
    for name, values, colour in groups:
        axis.hist(values, edges.tolist(), density=True, alpha=0.22, color=colour)
        axis.hist(values, edges.tolist(), density=True, histtype="step", linewidth=1.8, color=colour, label=name)
    axis.set(title="Scores of ours", xlabel="score (log likelihood ratio if calibrated)", ylabel="density", yticks=[])
    axis.set_ylim(top=1.4 * axis.get_ylim()[1])  # room for the legend
    axis.legend(fontsize=9, loc="upper left", ncols=2)


def _reliability(axis: Any, decisions: Decisions | None) -> None:
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    axis.set(title="Is the confidence true?", xlabel="confidence in the first", ylabel="share right")
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05))
    if decisions is None:
        return
    confidence, correct = np.array(decisions.confidences), np.array(decisions.correct)
    axis.set_title(f"Is the confidence true? (ECE {decisions.ece.value:.3f})")
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    for b in np.unique(bins):
        share = share_interval(int(correct[bins == b].sum()), int(np.sum(bins == b)))
        centre = confidence[bins == b].mean()
        axis.plot([centre, centre], [share.low, share.high], color=BLUE, linewidth=1.2, alpha=0.6)
        axis.scatter(centre, share.value, 14 + 160 * np.mean(bins == b), color=BLUE, zorder=3)
    axis.axvline(decisions.threshold, color=VERMILION, linestyle="--", linewidth=1.2)
    axis.text(decisions.threshold - 0.015, 0.02, "threshold", rotation=90, ha="right", va="bottom", color=VERMILION)


def plot_overview(tracks: Sequence[Json], out: Path) -> None:
    """Write `overview.png` from the tracks of `report.json`: rank-1 of the shipped model and of the baselines."""
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
            _overview_panel(axis, group, styles(families))
        axes[-1, 0].set_xlabel("rank-1, % of queries (95 % interval by bootstrap over subjects)")
        handles, names = axes[0, 0].get_legend_handles_labels()
        unique = dict(zip(names, handles, strict=True))
        figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=3)
        figure.savefig(out / "overview.png", dpi=110)
        pyplot.close(figure)


def _overview_panel(axis: Any, tracks: Sequence[Json], drawn: Mapping[str, LineStyle]) -> None:
    for line, track in enumerate(tracks):
        for name, rank1 in best_of_families(track).items():
            style, ours = drawn[name], drawn[name].colour == BLUE
            if ours:
                ends = [100 * rank1["low"], 100 * rank1["high"]]
                axis.plot(ends, [line, line], color=BLUE, linewidth=8, alpha=0.22, solid_capstyle="butt")
            dot = {"color": style.colour, "marker": style.marker, "label": name, "zorder": 3 + ours}
            axis.scatter(100 * rank1["value"], line, 100 if ours else 42, **dot)
        axis.scatter(100 * track["rank1_by_chance"], line, 110, color=GREY, marker="|", label="chance", zorder=2)
    names = [f"{t['track']}\n{t['queries']} queries, {t['gallery_subjects']} enrolled" for t in tracks]
    axis.set_yticks(range(len(tracks)), names)
    axis.set(title=tracks[0]["kind"], xlim=(-2, 102), ylim=(len(tracks) - 0.5, -0.5))
    axis.grid(visible=False, axis="y")
