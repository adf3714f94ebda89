"""What ships, as the evaluation sees it: the one place that knows what the scores of ours are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.identification.calibration import evidence
from shared.keypoints.verification import CANDIDATES
from training.answers import CalibratedPosterior, Posterior
from training.evaluation.bootstrap import Array
from training.evaluation.protocol import Track
from training.evaluation.scorers import ShippedModel, Similarities


@dataclass(frozen=True)
class Unverified:
    """A comparison by embeddings alone: what people get who are not compared by keypoints.

    `score` turns cosines into the scores of the method; `candidates` is how many of the nearest people are verified at
    all (None: there is no verification, so a larger gallery pushes nobody out of it).
    """

    score: Callable[[Array], Array]
    candidates: int | None = None


@dataclass(frozen=True)
class Shipped:
    """How the shipped system answers: scores per subject, their posterior, and what a cosine alone is worth."""

    scores: Callable[[Track, Similarities], Array]
    posterior: Posterior
    unverified: Unverified


def shipped(model: ShippedModel) -> Shipped | None:
    """The model's answers; None where it has no calibration and so decides nothing."""
    calibration = model.manifest.calibration
    if calibration is None:
        return None

    def by_embedding(cosines: Array) -> Array:
        """Log likelihood ratios of comparisons without a keypoint that agrees."""
        return evidence(cosines, np.zeros_like(cosines), calibration)

    def fused(track: Track, similarities: Similarities) -> Array:
        inliers = model.inliers(track, similarities)
        return evidence(track.best_per_subject(similarities), inliers, calibration)

    return Shipped(
        scores=fused,
        posterior=CalibratedPosterior(calibration),
        unverified=Unverified(by_embedding, CANDIDATES if model.verifier else None),
    )
