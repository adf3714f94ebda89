"""Decisions in larger galleries: people join the gallery of a track until thousands are enrolled.

The people who join have embeddings but no keypoints. They are compared by embedding alone, and they push people of the
track out of the nearest people, who are compared by keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.evaluation.bootstrap import Array, Interval
from training.evaluation.decisions import decisions
from training.evaluation.recognition_metrics import Scores, identification
from training.evaluation.shipped import Cascade

SIZES = (100, 1000, 10000)


@dataclass(frozen=True)
class Growth:
    """Figures at one size of the gallery. `made_up` of the enrolled people are mixtures of real people."""

    enrolled: int
    made_up: int
    rank1: Interval
    identified_rightly: Interval
    identified_wrongly: Interval
    impostors_identified: Interval | None
    ece: Interval


@dataclass(frozen=True)
class Gallery:
    """People of a track, and people who may join.

    `scores` are keypoint scores of the track's people. `cosines`, float (probes, subjects), are theirs; `joining`,
    float (probes, people), are those of the people who may join. Both are normalised. The first `real` are real people.
    """

    scores: Scores
    cosines: Array
    joining: Array
    real: int

    def enlarged(self, count: int, cascade: Cascade) -> Scores:
        """Return the scores after `count` people joined. They join at the end, so `truth` does not change."""
        keypoint_scores = np.concatenate([self.scores.queries, self.scores.impostors])
        scores = cascade.scores(keypoint_scores, self.cosines, self.joining[:, :count])
        queries = len(self.scores.queries)
        return replace(self.scores, queries=scores[:queries], impostors=scores[queries:])


def grow(gallery: Gallery, cascade: Cascade, threshold: float) -> list[Growth]:
    """Measure the track itself and each larger size for which there are enough people."""
    own = gallery.cosines.shape[1]
    sizes = [own, *(size for size in SIZES if own < size <= own + gallery.joining.shape[1])]
    return [_measure(gallery, size - own, cascade, threshold) for size in sizes]


def _measure(gallery: Gallery, joined: int, cascade: Cascade, threshold: float) -> Growth:
    scores = gallery.enlarged(joined, cascade)
    decided = decisions(scores, cascade.posterior, threshold)
    return Growth(
        enrolled=scores.queries.shape[1],
        made_up=max(joined - gallery.real, 0),
        rank1=identification(scores)["rank1"],
        identified_rightly=decided.identified_rightly,
        identified_wrongly=decided.identified_wrongly,
        impostors_identified=decided.impostors_identified,
        ece=decided.ece,
    )
