"""The worst confusions of a track as pictures. They show patients, so protect them like the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray

from shared.images.decoding import decode_image
from training.data.bundle_manifest import Row
from training.evaluation.plot_style import GREEN, SETTINGS, VERMILION
from training.evaluation.protocol import Track
from training.evaluation.recognition_metrics import Scores
from training.evaluation.scorers import Similarities

WORST = 8


def worst_confusions(scores: Scores, count: int = WORST) -> list[tuple[int, int]]:
    """Return the queries that are lost by the largest margin, each with the column of the subject ranked first."""
    rivals = np.where(np.arange(scores.queries.shape[1]) == scores.truth[:, np.newaxis], -np.inf, scores.queries)
    margins = scores.own - rivals.max(axis=1)
    return [(int(i), int(rivals[i].argmax())) for i in np.argsort(margins)[:count] if scores.ranks[i] > 1]


def failure_gallery(track: Track, similarities: Similarities, scores: Scores, root: Path, out: Path) -> bool:
    """Write `<track>-worst.png`; return False if no query is lost.

    Each line shows the probe, the nearest picture of its patient, and the picture that was preferred. `similarities`,
    float (probes, gallery pictures), choose the picture of a subject. `scores` are those that the decision used.
    """
    worst = worst_confusions(scores)
    if not worst:
        return False
    owner = np.array([row.subject for row in track.gallery])
    with pyplot.rc_context(SETTINGS | {"axes.grid": False}):
        figure, axes = pyplot.subplots(
            len(worst), 3, figsize=(8.4, 2.95 * len(worst) + 0.5), layout="constrained", squeeze=False
        )
        figure.suptitle(f"{track.name}: worst confusions")
        for line, (query, rival) in zip(axes, worst, strict=True):
            own = _nearest(track, similarities[query], owner == track.queries[query].subject)
            preferred = _nearest(track, similarities[query], owner == track.subjects[rival])
            rank, score = scores.ranks[query], scores.queries[query]
            _show(line[0], root, track.queries[query], "probe", "black")
            _show(line[1], root, own, f"own patient: {scores.own[query]:.2f}, rank {rank}", GREEN)
            _show(line[2], root, preferred, f"preferred: {score[rival]:.2f}", VERMILION)
        figure.savefig(out / f"{track.name}-worst.png", dpi=80)
        pyplot.close(figure)
    return True


def _nearest(track: Track, similarities: NDArray[np.float64], side: NDArray[np.bool_]) -> Row:
    return track.gallery[int(np.where(side, similarities, -np.inf).argmax())]


def _show(axis: Any, root: Path, row: Row, title: str, colour: str) -> None:
    pixels = decode_image((root / row.path).read_bytes()).pixels
    axis.imshow(pixels)
    axis.set_title(title, fontsize=10, color=colour, loc="center")
    axis.set(xticks=[], yticks=[], facecolor="#F2F2F2", box_aspect=1)
    height, width = pixels.shape[:2]
    side = max(height, width) / 2
    axis.set(xlim=(width / 2 - side, width / 2 + side), ylim=(height / 2 + side, height / 2 - side))
    for spine in axis.spines.values():
        spine.set(visible=True, color=colour, linewidth=2)
