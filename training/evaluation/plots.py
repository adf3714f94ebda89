"""The plots of one track: CMC, DET, reliability, score distributions; and the worst confusions as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot

from shared.images.decoding import decode_image
from shared.images.views import standard_view
from training.evaluation.decisions import ECE_BINS, Decisions
from training.evaluation.metrics import Scores, cumulative_match, error_rates, pairs
from training.evaluation.protocol import Track
from training.evaluation.scorers import Similarities

mpl.use("Agg")
WORST = 8


def plot_track(track: Track, scores: dict[str, Scores], decisions: Decisions | None, out: Path) -> None:
    """Write `<track>.png`."""
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 8), layout="constrained")
    figure.suptitle(f"{track.name} ({track.kind})")
    for name, one in scores.items():
        curve = cumulative_match(one)
        axes[0, 0].plot(np.arange(1, len(curve) + 1), 100 * curve, marker=".", label=name)
        _, false_match, false_non_match = error_rates(*pairs(one))
        axes[0, 1].plot(100 * false_match, 100 * false_non_match, label=name)
    axes[0, 0].set(title="CMC", xlabel="rank", ylabel="% found")
    axes[0, 1].set(title="DET", xlabel="false match rate %", ylabel="false non-match rate %", xscale="log")
    axes[0, 0].legend(fontsize="small")
    _distributions(axes[1, 0], next(iter(scores.values())))
    if decisions is not None:
        _reliability(axes[1, 1], decisions)
    figure.savefig(out / f"{track.name}.png", dpi=100)
    pyplot.close(figure)


def _distributions(axis: Any, ours: Scores) -> None:
    genuine, impostor = pairs(ours)
    edges = np.linspace(min(genuine.min(), impostor.min()), 1.0, 50).tolist()
    axis.hist(genuine, edges, density=True, alpha=0.6, label="genuine")
    axis.hist(impostor, edges, density=True, alpha=0.6, label="impostor")
    axis.set(title="similarities of ours", xlabel="cosine")
    axis.legend(fontsize="small")


def _reliability(axis: Any, decisions: Decisions) -> None:
    confidence, correct = np.array(decisions.confidences), np.array(decisions.correct)
    bins = np.minimum((confidence * ECE_BINS).astype(int), ECE_BINS - 1)
    used = np.unique(bins)
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axis.scatter(
        [confidence[bins == b].mean() for b in used],
        [correct[bins == b].mean() for b in used],
        [10 + 3 * np.sum(bins == b) for b in used],
    )
    axis.set(title=f"reliability, ECE {decisions.ece.value:.3f}", xlabel="confidence", ylabel="share right")


def failure_gallery(track: Track, similarities: Similarities, scores: Scores, root: Path, out: Path) -> None:
    """Write `<track>-worst.png`: rows of probe, its patient's nearest picture, the picture that came first instead."""
    own = np.arange(len(track.subjects)) == track.truth[:, np.newaxis]
    margins = scores.own - np.where(own, -np.inf, scores.queries).max(axis=1)
    worst = [i for i in np.argsort(margins)[:WORST] if scores.ranks[i] > 1]
    if not worst:
        return
    strips = []
    for i in worst:
        mine = np.array([row.subject == track.queries[i].subject for row in track.gallery])
        nearest = [int(np.where(side, similarities[i], -np.inf).argmax()) for side in (mine, ~mine)]
        rows = (track.queries[i], *(track.gallery[j] for j in nearest))
        strips.append(np.hstack([standard_view(decode_image((root / row.path).read_bytes()).pixels) for row in rows]))
    cv2.imwrite(str(out / f"{track.name}-worst.png"), cv2.cvtColor(np.vstack(strips), cv2.COLOR_RGB2BGR))
