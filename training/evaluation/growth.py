"""How decisions change when the gallery grows from the people of a track to thousands.

Those who join have embeddings and no keypoints: they are compared by embedding alone, and they push people of the track
out of the nearest ones that are verified.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.calibration.posterior_eval import Posterior
from training.evaluation.bootstrap import Array, Interval
from training.evaluation.decisions import decisions
from training.evaluation.recognition_metrics import Scores, identification
from training.evaluation.shipped import Compared, Unverified, count_nearer

SIZES = (100, 1000, 10000)


@dataclass(frozen=True)
class Growth:
    """The figures at one size of the gallery; `made_up` of the enrolled people are mixtures of real ones."""

    enrolled: int
    made_up: int
    rank1: Interval
    identified_rightly: Interval
    identified_wrongly: Interval
    impostors_identified: Interval | None
    ece: Interval


@dataclass(frozen=True)
class Gallery:
    """A track's people and those who may join: normalised cosines float (probes, subjects) and (probes, people).

    `scores` are of everybody who may be compared by keypoints, whatever the round.
    """

    scores: Scores
    cosines: Array
    joining: Array
    real: int


def grow(gallery: Gallery, unverified: Unverified, method: Posterior, threshold: float) -> list[Growth]:
    """The track as it is, then every size that is larger and for which there are people enough."""
    own = gallery.cosines.shape[1]
    sizes = [own, *(size for size in SIZES if own < size <= own + gallery.joining.shape[1])]
    return [_measure(gallery, size - own, unverified, method, threshold) for size in sizes]


def _measure(gallery: Gallery, joined: int, unverified: Unverified, method: Posterior, threshold: float) -> Growth:
    scores = enlarged(gallery, joined, unverified, method)
    decided = decisions(scores, method, threshold)
    return Growth(
        enrolled=scores.queries.shape[1],
        made_up=max(joined - gallery.real, 0),
        rank1=identification(scores)["rank1"],
        identified_rightly=decided.identified_rightly,
        identified_wrongly=decided.identified_wrongly,
        impostors_identified=decided.impostors_identified,
        ece=decided.ece,
    )


def enlarged(gallery: Gallery, joined: int, unverified: Unverified, method: Posterior) -> Scores:
    """The scores with so many people more; truth stays, because they join at the end."""
    everybody = np.concatenate([gallery.scores.queries, gallery.scores.impostors])
    own, joining = gallery.cosines, gallery.joining[:, :joined]
    nearer = count_nearer(own, own) + count_nearer(own, joining)
    compared = Compared(everybody, unverified.score(own), nearer, unverified.score(joining))
    everybody = compared.answered(unverified.stages, method)
    count = len(gallery.scores.queries)
    return replace(gallery.scores, queries=everybody[:count], impostors=everybody[count:])
