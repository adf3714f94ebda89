"""Score people as the shipped system does. Only this module knows what a score of the shipped system is."""

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
class Cascade:
    """Compare the nearest people by keypoints, stage by stage, and the others by their embeddings alone.

    `embedding_scores` turns cosines into scores. Without `stages`, all people are compared by keypoints.
    """

    embedding_scores: Callable[[Array], Array]
    posterior: Posterior
    stages: tuple[CascadeStage, ...] = ()

    def scores(self, keypoint_scores: Array, cosines: Array, joining: Array | None = None) -> Array:
        """Return the scores after the last stage, float (probes, subjects + joining people).

        `keypoint_scores` and `cosines` are float (probes, subjects). `joining`, float (probes, people), are cosines of
        further people of the gallery, who have no keypoints. A probe enters the next stage if none before ended it.
        """
        others = np.empty((len(cosines), 0)) if joining is None else joining
        nearer = count_nearer(cosines, cosines) + count_nearer(cosines, others)
        by_embedding, by_embedding_of_others = self.embedding_scores(cosines), self.embedding_scores(others)

        def compared(candidates: float) -> Array:
            own = np.where(nearer < candidates, keypoint_scores, by_embedding)
            return np.concatenate([own, by_embedding_of_others], axis=1)

        if not self.stages:
            return compared(np.inf)
        scores = compared(self.stages[0].candidates)
        continued = np.ones(len(scores), bool)
        for before, after in pairwise(self.stages):
            confidences = answer(scores, self.posterior).confidence.tolist()
            continued &= ~np.array([before.stops(confidence) for confidence in confidences])
            scores[continued] = compared(after.candidates)[continued]
        return scores


@dataclass(frozen=True)
class ShippedScoring:
    """`keypoint_scores` returns scores, float (probes, subjects), as if each stage compared all people."""

    keypoint_scores: Callable[[Track, Similarities], Array]
    cascade: Cascade

    def scores(self, track: Track, similarities: Similarities) -> Array:
        """Return the scores of the shipped system, float (probes, subjects)."""
        return self.cascade.scores(self.keypoint_scores(track, similarities), track.best_per_subject(similarities))


def shipped_scoring(model: ShippedModel) -> ShippedScoring | None:
    """Return the scoring of a model; None if the model has no calibration and so decides nothing."""
    calibration = model.manifest.calibration
    if calibration is None:
        return None

    def embedding_scores(cosines: Array) -> Array:
        """Log likelihood ratios of comparisons in which no keypoint agrees."""
        return log_likelihood_ratios(cosines, np.zeros_like(cosines), calibration)

    def keypoint_scores(track: Track, similarities: Similarities) -> Array:
        agreeing = model.agreeing(track, similarities)
        return log_likelihood_ratios(track.best_per_subject(similarities), agreeing, calibration)

    stages = model.verifier.stages if model.verifier else ()
    return ShippedScoring(keypoint_scores, Cascade(embedding_scores, CalibratedPosterior(calibration), stages))


def count_nearer(cosines: Array, others: Array) -> NDArray[np.intp]:
    """Return how many of the `others` are nearer to the probe, for each of `cosines`, float (probes, subjects)."""
    ordered = np.sort(others, axis=1)
    counts = [len(row) - np.searchsorted(row, own, "right") for row, own in zip(ordered, cosines, strict=True)]
    return np.array(counts)
