"""Which keypoints of two pictures agree under one similarity transform, and what that weighs: one surface, seen twice.

Matches that agree by chance are bad ones: the second nearest descriptor is hardly farther than the nearest, and the
transform, which others have decided, misses the place by some pixels. So an inlier weighs

    -log(ratio^2) * (1 - (residual / tolerance)^2),

with Lowe's ratio of the distances to the nearest and the second nearest descriptor. Among n-dimensional descriptors
that lie anywhere, ratio^n is uniform on [0, 1], so the sum of the first factors over matches is, but for a constant,
Fisher's statistic of their joint chance; the second is the loss of MSAC (Torr & Zisserman, CVIU 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.keypoints.extraction import Keypoints

RATIO = 0.85
"""Lowe's ratio of the distances to the nearest and to the second nearest descriptor (IJCV 2004, section 7.1), up to
which a match is one. He proposes 0.8, where all matches count the same."""
MIN_RATIO = 0.03
"""Below which a ratio counts as this: two files of one picture match without any distance."""
TOLERANCE = 6.0
"""Pixels that an inlier may lie from where the transform puts it: skin and brain are not rigid."""
MIN_MATCHES = 3
"""Matches below which nothing is counted: any two fit a similarity transform."""
SCALE_RANGE = (0.25, 4.0)
"""Changes of scale between two pictures of one person that are believed."""
MAX_ROTATION = 30.0
"""Degrees that two upright pictures may be turned against each other."""
RANSAC_CONFIDENCE, RANSAC_ITERATIONS = 0.999999, 5000
"""How sure RANSAC must be to have drawn two matches that are right before it stops: they are few, and draws cheap."""


@dataclass(frozen=True, slots=True)
class GeometricMatch:
    """Of two pictures: how many matches one transform explains, and what they weigh together (0 and up)."""

    inliers: int = 0
    weight: float = 0.0


NO_MATCH = GeometricMatch()


def match_keypoints(probe: Keypoints, candidate: Keypoints) -> GeometricMatch:
    """What one similarity transform (RANSAC) explains; `NONE` where none is plausible or they cannot be compared."""
    if min(len(probe), len(candidate)) < MIN_MATCHES or probe.upright != candidate.upright:
        return NO_MATCH
    rows, columns, ratios = mutual_matches(probe.directions, candidate.directions)
    if len(rows) < MIN_MATCHES:
        return NO_MATCH
    source, target = probe.positions[rows], candidate.positions[columns]
    matrix, found = cv2.estimateAffinePartial2D(
        source, target, ransacReprojThreshold=TOLERANCE, maxIters=RANSAC_ITERATIONS, confidence=RANSAC_CONFIDENCE
    )
    if matrix is None or not _plausible(np.asarray(matrix), MAX_ROTATION if probe.upright else 180.0):
        return NO_MATCH
    inliers = np.asarray(found, bool).ravel()
    # the transform was refined since, so an inlier may lie a little farther than the tolerance
    residuals = source[inliers] @ matrix[:, :2].T + matrix[:, 2] - target[inliers]
    near = np.maximum(1.0 - (residuals**2).sum(axis=1) / TOLERANCE**2, 0.0)
    weights = -2.0 * np.log(np.maximum(ratios[inliers], MIN_RATIO)) * near
    return GeometricMatch(int(np.count_nonzero(inliers)), float(weights.sum()))


def mutual_matches(
    probe: NDArray[np.float32], candidate: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Rows of `probe` and of `candidate`, float32 (n, d) and (m, d) of unit length, that match, and their ratios (0-1).

    A match is each other's nearest and passes Lowe's ratio test.
    """
    cosine = probe @ candidate.T
    every = np.arange(len(probe))
    nearest = cosine.argmax(axis=1)
    best = cosine[every, nearest]
    cosine[every, nearest] = -1.0
    second = cosine.max(axis=1)
    cosine[every, nearest] = best
    # of unit vectors the squared distance is 2 - 2 cosine
    rows = np.flatnonzero(1.0 - best < RATIO**2 * (1.0 - second))
    # few are left, so each other's nearest is asked last: columns are slow to read
    rows = rows[cosine[:, nearest[rows]].argmax(axis=0) == rows]
    # rounded descriptors may be a hair longer than 1
    ratios = np.sqrt(np.maximum(1.0 - best[rows], 0.0) / np.maximum(1.0 - second[rows], 1e-9))
    return rows, nearest[rows], ratios


def _plausible(matrix: NDArray[np.float64], most_degrees: float) -> bool:
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    turn = abs(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))))
    return SCALE_RANGE[0] <= scale <= SCALE_RANGE[1] and turn <= most_degrees
