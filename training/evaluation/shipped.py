"""What ships, as the evaluation sees it: the one place that knows what the scores of ours are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.identification.calibration import log_likelihood_ratios
from shared.keypoints.verification import CascadeStage
from training.calibration.posterior_eval import CalibratedPosterior, Posterior, answer
from training.evaluation.bootstrap import Array
from training.evaluation.protocol import Track
from training.evaluation.scorers import ShippedModel, Similarities


@dataclass(frozen=True)
class Unverified:
    """A comparison by embeddings alone: what people get who are not compared by keypoints.

    `score` turns cosines into the scores of the method; `rounds` says how many of the nearest people are verified
    (empty: there is no verification, so a larger gallery pushes nobody out of it).
    """

    score: Callable[[Array], Array]
    stages: tuple[CascadeStage, ...] = ()


@dataclass(frozen=True)
class Compared:
    """Scores float (probes, subjects) of everybody who may be compared by keypoints, and by embeddings alone.

    `nearer` counts those who are nearer to the probe than a subject; `joining`, float (probes, people), are scores of
    people without keypoints.
    """

    fused: Array
    alone: Array
    nearer: NDArray[np.intp]
    joining: Array

    def within(self, candidates: float) -> Array:
        """Scores of subjects and who joins, where so many of the nearest are compared by keypoints."""
        return np.concatenate([np.where(self.nearer < candidates, self.fused, self.alone), self.joining], axis=1)

    def answered(self, stages: tuple[CascadeStage, ...], method: Posterior) -> Array:
        """As in service: a probe goes into the next round unless one ends it. Without rounds nobody is left out."""
        if not stages:
            return self.within(np.inf)
        scores = self.within(stages[0].candidates)
        looking = np.ones(len(scores), bool)
        for before, after in pairwise(stages):
            looking &= ~np.array([before.stops(top) for top in answer(scores, method).confidence.tolist()])
            scores[looking] = self.within(after.candidates)[looking]
        return scores


@dataclass(frozen=True)
class Shipped:
    """How the shipped system answers: scores per subject, their posterior, and what a cosine alone is worth.

    `fused` are scores of everybody who may be compared, whatever the round; `scores` those that the service comes to.
    """

    fused: Callable[[Track, Similarities], Array]
    posterior: Posterior
    unverified: Unverified

    def scores(self, track: Track, similarities: Similarities) -> Array:
        """Float (probes, subjects)."""
        fused = self.fused(track, similarities)
        cosines = track.best_per_subject(similarities)
        nobody = np.empty((len(cosines), 0))
        compared = Compared(fused, self.unverified.score(cosines), count_nearer(cosines, cosines), nobody)
        return compared.answered(self.unverified.stages, self.posterior)


def shipped(model: ShippedModel) -> Shipped | None:
    """The model's answers; None where it has no calibration and so decides nothing."""
    calibration = model.manifest.calibration
    if calibration is None:
        return None

    def by_embedding(cosines: Array) -> Array:
        """Log likelihood ratios of comparisons without a keypoint that agrees."""
        return log_likelihood_ratios(cosines, np.zeros_like(cosines), calibration)

    def fused(track: Track, similarities: Similarities) -> Array:
        agreeing = model.agreeing(track, similarities)
        return log_likelihood_ratios(track.best_per_subject(similarities), agreeing, calibration)

    return Shipped(
        fused=fused,
        posterior=CalibratedPosterior(calibration),
        unverified=Unverified(by_embedding, model.verifier.stages if model.verifier else ()),
    )


def count_nearer(cosines: Array, others: Array) -> NDArray[np.intp]:
    """How many of the others are nearer to the probe, for every float (probes, subjects)."""
    ordered = np.sort(others, axis=1)
    counts = [len(row) - np.searchsorted(row, own, "right") for row, own in zip(ordered, cosines, strict=True)]
    return np.array(counts)
