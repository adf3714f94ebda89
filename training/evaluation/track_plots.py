"""One page of plots per track: is the right patient found, told from others, and is the confidence true?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from scipy.stats import binomtest

from training.evaluation.bootstrap import Array, to_interval
from training.evaluation.decisions import ECE_BINS, Decisions
from training.evaluation.protocol import Track
from training.evaluation.recognition_metrics import Scores, cumulative_match, error_rates, pairs
from training.evaluation.style import BLUE, GREEN, GREY, SETTINGS, VERMILION, LineStyle, styles

RANKS = 10
TICKS = (0.01, 0.1, 1, 5, 20, 100)
"""Percents that are written on a logarithmic axis."""


def plot_track(
    track: Track,
    scores: Mapping[str, Scores],
    decisions: Decisions | None,
    out: Path,
    controls: Sequence[str] = (),
) -> None:
    """Write `<track>.png`; ours is the first of `scores`."""
    drawn = styles(list(scores), controls)
    with pyplot.rc_context(SETTINGS):
        figure, ((cmc, roc, det), (open_set, spread, reliability)) = pyplot.subplots(
            2, 3, figsize=(14, 9), layout="constrained"
        )
        counts = f"{len(track.queries)} queries, {len(track.subjects)} enrolled, {len(track.impostors)} impostors"
        figure.suptitle(f"{track.name} ({track.kind}: {counts})")
        _cumulative(cmc, scores, drawn)
        _pair_errors(roc, det, scores, drawn)
        _open_set(open_set, scores, drawn)
        _distributions(spread, next(iter(scores.values())))
        _reliability(reliability, decisions)
        handles, names = cmc.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 4), fontsize=10)
        figure.savefig(out / f"{track.name}.png", dpi=110)
        pyplot.close(figure)


def _cumulative(axis: Any, scores: Mapping[str, Scores], drawn: Mapping[str, LineStyle]) -> None:
    for name, one in scores.items():
        curve = cumulative_match(one, RANKS)
        style = drawn[name]
        ranks = np.arange(1, len(curve) + 1)
        axis.plot(ranks, 100 * curve, marker=style.marker, markersize=4, label=name, **style.of_a_line)
    ours = next(iter(scores.values()))
    draws = ours.draws(0)[0]
    band = [to_interval(draws.means(ours.ranks <= k)) for k in range(1, len(cumulative_match(ours, RANKS)) + 1)]
    low, high = ([100 * getattr(one, side) for one in band] for side in ("low", "high"))
    axis.fill_between(np.arange(1, len(band) + 1), low, high, color=BLUE, alpha=0.13, linewidth=0)
    axis.set(title="Found among the first k (CMC)", xlabel="rank k", ylabel="queries found, %", ylim=(0, 103))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def _pair_errors(roc: Any, det: Any, scores: Mapping[str, Scores], drawn: Mapping[str, LineStyle]) -> None:
    """Verification: every pair of pictures is a question."""
    for name, one in scores.items():
        _, false_match, false_non_match = error_rates(*pairs(one))
        roc.plot(100 * false_match, 100 * (1 - false_non_match), **drawn[name].of_a_line)
        det.step(_positive(false_match), _positive(false_non_match), where="post", **drawn[name].of_a_line)
    roc.plot([0, 100], [0, 100], color=GREY, linewidth=0.8)
    roc.set(title="Same person or not (ROC)", xlabel="false match rate, %", ylabel="true match rate, %", ylim=(0, 103))
    det.plot([0.01, 100], [0.01, 100], color=GREY, linewidth=0.8)
    det.set(title="The same, errors enlarged (DET)", xlabel="false match rate, %", ylabel="false non-match rate, %")
    _percents(det, "x", 0.01)
    _percents(det, "y", 0.3)


def _positive(shares: Array) -> Array:
    """Percents that a logarithmic axis can show; no error at all lies on its edge."""
    return np.maximum(100 * shares, 0.01)


def _percents(axis: Any, direction: str, lowest: float) -> None:
    getattr(axis, f"set_{direction}scale")("log")
    getattr(axis, f"set_{direction}lim")(lowest, 100)
    written = getattr(axis, f"{direction}axis")
    written.set_major_locator(FixedLocator([tick for tick in TICKS if tick >= lowest]))
    written.set_minor_locator(NullLocator())
    written.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _open_set(axis: Any, scores: Mapping[str, Scores], drawn: Mapping[str, LineStyle]) -> None:
    """FNIR against FPIR, one threshold per stranger."""
    axis.set(title="Strangers let in, patients missed", xlabel="FPIR, % of strangers' pictures", ylim=(-2, 103))
    axis.set_ylabel("FNIR, % of queries")
    if not any(len(one.impostors) for one in scores.values()):
        axis.text(0.5, 0.5, "no strangers in this track", ha="center", va="center", transform=axis.transAxes)
        return
    for name, one in scores.items():
        thresholds = np.append(np.sort(one.impostor_tops)[::-1], -np.inf)
        found = (one.ranks == 1) & (one.own > thresholds[:, np.newaxis])
        accepted = np.arange(len(thresholds)) / (len(thresholds) - 1)
        axis.step(100 * accepted, 100 * (1 - found.mean(axis=1)), where="post", **drawn[name].of_a_line)
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
    axis.set(
        title="Scores of ours", xlabel="score (log likelihood ratio where calibrated)", ylabel="density", yticks=[]
    )
    axis.set_ylim(top=1.4 * axis.get_ylim()[1])  # the legend stands over the bars
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
        hits, count = int(correct[bins == b].sum()), int(np.sum(bins == b))
        interval = binomtest(hits, count).proportion_ci(method="wilson")
        centre = confidence[bins == b].mean()
        axis.plot([centre, centre], [interval.low, interval.high], color=BLUE, linewidth=1.2, alpha=0.6)
        axis.scatter(centre, hits / count, 14 + 160 * count / len(confidence), color=BLUE, zorder=3)
    axis.axvline(decisions.threshold, color=VERMILION, linestyle="--", linewidth=1.2)
    axis.text(decisions.threshold - 0.015, 0.02, "threshold", rotation=90, ha="right", va="bottom", color=VERMILION)
