"""Match the keypoints of two pictures under one similarity transform, and weigh the inliers.

Chance matches are poor: the second nearest descriptor is about as near as the nearest one, and the transform misses
the position by some pixels. So an inlier weighs

    -log(ratio^2) * (1 - (residual / tolerance)^2),

with Lowe's ratio of the distances to the nearest and the second nearest descriptor. For random descriptors in n
dimensions, ratio^n is uniform on [0, 1]. So the sum of the first factor over matches is, up to a constant, Fisher's
statistic of their joint probability. The second factor is the loss of MSAC (Torr & Zisserman, CVIU 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared.keypoints.extraction import Keypoints

RATIO = 0.85
"""Largest ratio of the distances to the nearest and the second nearest descriptor (Lowe, IJCV 2004, section 7.1). Lowe
proposes 0.8 for matches that all count the same."""
MIN_RATIO = 0.03
"""Smaller ratios count as this one. Two files of the same picture match at distance 0."""
TOLERANCE = 6.0
"""Largest residual of an inlier, in pixels. Skin and brain are not rigid."""
MIN_MATCHES = 3
"""Fewest descriptor matches that are considered: any two fit a similarity transform."""
SCALE_RANGE = (0.25, 4.0)
"""Plausible changes of scale between two pictures of one patient."""
MAX_ROTATION = 30.0
"""Largest plausible rotation between two upright pictures, in degrees."""
RANSAC_CONFIDENCE, RANSAC_ITERATIONS = 0.999999, 5000
"""When RANSAC stops. High, because correct matches are few and draws are cheap."""


@dataclass(frozen=True, slots=True)
class GeometricMatch:
    """The number of inliers of one transform between two pictures, and their summed weight (0 or more)."""

    inliers: int = 0
    weight: float = 0.0


NO_MATCH = GeometricMatch()
"""No plausible transform was found."""


def match_keypoints(probe: Keypoints, candidate: Keypoints) -> GeometricMatch:
    """Fit one similarity transform by RANSAC. Return `NO_MATCH` if none is plausible or the kinds differ."""
    if min(len(probe), len(candidate)) < MIN_MATCHES or probe.upright != candidate.upright:
        return NO_MATCH
    rows, columns, ratios = mutual_matches(probe.directions, candidate.directions)
    if len(rows) < MIN_MATCHES:
        return NO_MATCH
    source, target = probe.positions[rows], candidate.positions[columns]
    matrix, found = cv2.estimateAffinePartial2D(
        source, target, ransacReprojThreshold=TOLERANCE, maxIters=RANSAC_ITERATIONS, confidence=RANSAC_CONFIDENCE
    )
    if matrix is None or not _is_plausible(np.asarray(matrix), MAX_ROTATION if probe.upright else 180.0):
        return NO_MATCH
    inliers = np.asarray(found, bool).ravel()
    # RANSAC refines the transform afterwards, so residuals may slightly exceed the tolerance
    residuals = source[inliers] @ matrix[:, :2].T + matrix[:, 2] - target[inliers]
    near = np.maximum(1.0 - (residuals**2).sum(axis=1) / TOLERANCE**2, 0.0)
    weights = -2.0 * np.log(np.maximum(ratios[inliers], MIN_RATIO)) * near
    return GeometricMatch(int(np.count_nonzero(inliers)), float(weights.sum()))


def mutual_matches(
    probe: NDArray[np.float32], candidate: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Return matching rows of `probe` and `candidate`, and their ratios (0 to 1).

    Both are float32 of unit length, (n, d) and (m, d). Matches are mutual nearest neighbours that pass the ratio test.
    """
    cosine = probe @ candidate.T
    every = np.arange(len(probe))
    nearest = cosine.argmax(axis=1)
    best = cosine[every, nearest]
    cosine[every, nearest] = -1.0
    second = cosine.max(axis=1)
    cosine[every, nearest] = best
    # the squared distance of unit vectors is 2 - 2 cosine
    rows = np.flatnonzero(1.0 - best < RATIO**2 * (1.0 - second))
    # the mutual test comes last, for few rows: columns are slow to read
    rows = rows[cosine[:, nearest[rows]].argmax(axis=0) == rows]
    # rounded descriptors may be slightly longer than 1
    ratios = np.sqrt(np.maximum(1.0 - best[rows], 0.0) / np.maximum(1.0 - second[rows], 1e-9))
    return rows, nearest[rows], ratios


def _is_plausible(matrix: NDArray[np.float64], most_degrees: float) -> bool:
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    turn = abs(float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))))
    return SCALE_RANGE[0] <= scale <= SCALE_RANGE[1] and turn <= most_degrees
