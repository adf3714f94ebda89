"""A linear discriminant as one dense layer: standardised, whitened, and within-class whitened features.

Features of different depths differ in scale, so each is standardised and every depth gets the same total variance.
Principal components are whitened with shrinkage (Jégou & Chum, ECCV 2012). Then the within-patient covariance is
whitened with shrinkage (within-class covariance normalisation: Hatch, Kajarekar & Stolcke, Interspeech 2006), and the
directions in which patients differ most are kept: Fisher's discriminant analysis. All steps are linear, so one layer
holds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

COMPONENTS = 512
"""Largest number of principal components."""
FLOOR = 0.1
"""Part of a depth's mean standard deviation that is added to each deviation, so that constant features stay small."""

Array = NDArray[np.float64]
Map = tuple[Array, Array]
"""Kernel (d, k) and bias (k,) of a dense layer."""
Refinement = Callable[[Array, Array], Map]
"""From whitened features (n, k) and a head (k, units) for them to the dense layer that replaces the head."""


def discriminant(
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    depths: Sequence[int],
    units: int,
    *,
    whitening_shrinkage: float,
    within_class_shrinkage: float,
    refine: Refinement | None = None,
) -> Map:
    """Return the discriminant of `features`, float32 (n, d), as a dense layer: kernel (d, units), bias (units,).

    Args:
        features: float32 (n, d) of images.
        labels: int (n,), the number of each image's patient; every number from 0 on occurs.
        depths: numbers of features that belong together; they sum to d.
        units: outputs of the layer. If there are fewer directions, the rest is 0.
        whitening_shrinkage: added to each variance, as a fraction of the largest.
        within_class_shrinkage: added to each within-patient variance, as a fraction of their mean. 0: no within-class
            whitening, as if no patient had two images.
        refine: replaces the head by a better one.
    """
    mean, scale = _standard(features, depths)
    standard = (features - mean) * scale
    directions, variances = principal_components(standard, min(COMPONENTS, *standard.shape))
    whitening = directions / np.sqrt(variances + whitening_shrinkage * variances[0])
    values = standard @ whitening
    head = _separating(values, labels, within_class_shrinkage)[:, :units]
    head, bias = refine(values, head) if refine else (head, np.zeros(head.shape[1]))
    kernel = scale[:, np.newaxis] * (whitening @ head)
    strongest, missing = np.abs(kernel).max(), units - kernel.shape[1]
    padded = np.pad(kernel / strongest, ((0, 0), (0, missing)))
    return padded, np.pad(bias / strongest, (0, missing)) - mean @ padded


def principal_components(centred: Array, count: int) -> tuple[Array, Array]:
    """Return the `count` strongest directions of float (n, d) as unit columns (d, count), and their variances.

    They are fewer if the rank is smaller. They are computed from the smaller of the two Gram matrices.
    """
    rows, columns = centred.shape
    gram = centred @ centred.T if rows < columns else centred.T @ centred
    values, vectors = eigh(gram, subset_by_index=[len(gram) - count, len(gram) - 1])
    kept = values[::-1] > 1e-8 * values[-1]
    values, vectors = values[::-1][kept], vectors[:, ::-1][:, kept]
    directions = centred.T @ vectors / np.sqrt(values) if rows < columns else vectors
    return _signed(directions), values / rows


def _separating(values: Array, labels: NDArray[np.intp], shrinkage: float) -> Array:
    """Return the map (k, k) of whitened features (n, k) to directions in which patients differ, the strongest first."""
    differences = _differences(values, labels)
    if not shrinkage or not len(differences):
        return np.eye(values.shape[1])
    whitened = _within_class_whitening(differences, shrinkage)
    return np.asarray(whitened @ _principal_axes(_means(values @ whitened, labels)[0]))


def _standard(features: NDArray[np.float32], depths: Sequence[int]) -> tuple[Array, Array]:
    """Return mean and scale of each feature, float (d,), after which every depth has the same total variance."""
    mean = features.mean(axis=0, dtype=np.float64)
    parts = np.split(features.std(axis=0, dtype=np.float64), np.cumsum(depths)[:-1])
    scales = [1.0 / ((part + FLOOR * part.mean() + 1e-9) * np.sqrt(len(part))) for part in parts]
    return mean, np.concatenate(scales)


def _differences(values: Array, labels: NDArray[np.intp]) -> Array:
    """Return the deviations of images from their patient's mean, without bias. Patients with one image are left out."""
    means, counts = _means(values, labels)
    several = counts[labels] > 1
    gain = np.sqrt(counts[labels[several]] / (counts[labels[several]] - 1))
    return np.asarray((values[several] - means[labels[several]]) * gain[:, np.newaxis])


def _means(values: Array, labels: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
    """Return the mean of every label, float (labels, k), and its number of rows, int (labels,)."""
    counts = np.bincount(labels)
    return np.stack([np.bincount(labels, column) for column in values.T], axis=1) / counts[:, np.newaxis], counts


def _within_class_whitening(differences: Array, shrinkage: float) -> Array:
    """Return the map (k, k) after which `differences`, float (m, k), have nearly unit covariance."""
    covariance = differences.T @ differences / len(differences)
    covariance += shrinkage * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = eigh(covariance)
    return np.asarray(_signed(vectors) / np.sqrt(values))


def _principal_axes(values: Array) -> Array:
    """Return the rotation (k, k) to the principal axes of float (n, k), the strongest first."""
    _, vectors = eigh(np.cov(values.T))
    return _signed(vectors[:, ::-1])


def _signed(directions: Array) -> Array:
    """Make the largest entry of every column positive: signs then do not depend on rounding."""
    largest = np.abs(directions).argmax(axis=0)
    return np.asarray(directions * np.sign(directions[largest, np.arange(directions.shape[1])]))
