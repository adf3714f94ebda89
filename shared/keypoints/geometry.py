"""How many keypoints of two pictures agree under one similarity transform: the same surface, seen again."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.keypoints.extraction import Keypoints

RATIO = 0.8
"""Lowe's ratio of the distances to the nearest and to the second nearest descriptor (IJCV 2004, section 7.1)."""
TOLERANCE = 6.0
"""Pixels that an inlier may lie from where the transform puts it: skin and brain are not rigid."""
FEWEST = 3
"""Matches below which nothing is counted: any two fit a similarity transform."""
SCALES = (0.25, 4.0)
"""Changes of scale between two pictures of one person that are believed."""
TURN = 30.0
"""Degrees that two upright pictures may be turned against each other."""
CONFIDENCE, ITERATIONS = 0.999999, 5000
"""How sure RANSAC must be to have drawn two matches that are right before it stops: they are few, and draws cheap."""


def count_inliers(probe: Keypoints, candidate: Keypoints) -> int:
    """Matches that one similarity transform (RANSAC) explains; 0 where none is plausible or they cannot be compared."""
    if min(len(probe), len(candidate)) < FEWEST or probe.upright != candidate.upright:
        return 0
    source, target = mutual_matches(probe.directions, candidate.directions)
    if len(source) < FEWEST:
        return 0
    matrix, inliers = cv2.estimateAffinePartial2D(
        probe.positions[source],
        candidate.positions[target],
        ransacReprojThreshold=TOLERANCE,
        maxIters=ITERATIONS,
        confidence=CONFIDENCE,
    )
    if matrix is None or not _plausible(np.asarray(matrix), TURN if probe.upright else 180.0):
        return 0
    return int(np.count_nonzero(inliers))


def mutual_matches(
    probe: NDArray[np.float32], candidate: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of `probe` and of `candidate`, float32 (n, d) and (m, d) of unit length, that match.

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
    mutual = cosine[:, nearest[rows]].argmax(axis=0) == rows
    return rows[mutual], nearest[rows[mutual]]


def _plausible(matrix: NDArray[np.float64], most_degrees: float) -> bool:
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    turn = abs(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))))
    return SCALES[0] <= scale <= SCALES[1] and turn <= most_degrees
