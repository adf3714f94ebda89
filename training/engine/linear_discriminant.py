"""A linear head that separates patients as well as a linear map can: standardised, whitened, and within-class whitened.

Features of several depths of a trunk differ in scale, so every number is first standardised and every depth weighs the
same. Principal components then give directions, whose variances are levelled (Jégou & Chum, ECCV 2012). What two
pictures of one patient differ in is levelled as well (within-class covariance normalisation: Hatch, Kajarekar &
Stolcke, Interspeech 2006), and the directions in which patients differ most are kept: Fisher's linear discriminant
analysis with shrinkage. All steps are linear, so one dense layer holds them, whatever else is learned of the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

COMPONENTS = 512
"""Principal components in which patients are compared."""
FLOOR = 0.1
"""Of the mean deviation of a depth: what is added to every deviation, so that numbers that hardly vary stay small."""

Array = NDArray[np.float64]
Map = tuple[Array, Array]
"""Kernel (d, k) and bias (k,) of a dense layer."""
Refinement = Callable[[Array, Array], Map]
"""Makes more of whitened numbers (n, k) and a head (k, units) for them: a dense layer in its place."""


def discriminant(
    features: NDArray[np.float32],
    labels: NDArray[np.intp],
    depths: Sequence[int],
    units: int,
    *,
    shrinkage: float,
    within: float,
    refine: Refinement | None = None,
) -> Map:
    """The dense layer for float (n, d) `features` of the patients `labels`: kernel (d, units), bias (units,).

    `labels` is int (n,), and every number from 0 on occurs.
    `depths` are the numbers of features that belong together; they sum to d. `shrinkage` is how little weak directions
    are raised, as a share of the strongest variance; `within` how little those in which pictures of one patient hardly
    differ, as a share of the mean variance there. With `within` 0, or without a patient who has two pictures, there is
    no within-class whitening. Where fewer than `units` directions are to be had, the rest of the layer is 0. `refine`
    goes on from the discriminant.
    """
    mean, scale = _standard(features, depths)
    standard = (features - mean) * scale
    directions, variances = principal_components(standard, min(COMPONENTS, *standard.shape))
    whitening = directions / np.sqrt(variances + shrinkage * variances[0])
    values = standard @ whitening
    head = _separating(values, labels, within)[:, :units]
    head, bias = refine(values, head) if refine else (head, np.zeros(head.shape[1]))
    kernel = scale[:, np.newaxis] * (whitening @ head)
    strongest, missing = np.abs(kernel).max(), units - kernel.shape[1]
    padded = np.pad(kernel / strongest, ((0, 0), (0, missing)))
    return padded, np.pad(bias / strongest, (0, missing)) - mean @ padded


def principal_components(centred: Array, count: int) -> tuple[Array, Array]:
    """The `count` strongest directions of float (n, d), unit columns (d, count), and their variances, strongest first.

    Fewer where the rank is smaller. Computed from the smaller of the two Gram matrices.
    """
    rows, columns = centred.shape
    gram = centred @ centred.T if rows < columns else centred.T @ centred
    values, vectors = eigh(gram, subset_by_index=[len(gram) - count, len(gram) - 1])
    kept = values[::-1] > 1e-8 * values[-1]
    values, vectors = values[::-1][kept], vectors[:, ::-1][:, kept]
    directions = centred.T @ vectors / np.sqrt(values) if rows < columns else vectors
    return _signed(directions), values / rows


def _separating(values: Array, labels: NDArray[np.intp], within: float) -> Array:
    """The square map (k, k) of whitened numbers (n, k) after which patients differ most in the first directions."""
    differences = _differences(values, labels)
    if not within or not len(differences):
        return np.eye(values.shape[1])
    levelled = _levelled(differences, within)
    return np.asarray(levelled @ _principal_axes(_means(values @ levelled, labels)[0]))


def _standard(features: NDArray[np.float32], depths: Sequence[int]) -> tuple[Array, Array]:
    """What is subtracted and what is multiplied by, float (d,) each; every depth has the same total variance."""
    mean = features.mean(axis=0, dtype=np.float64)
    parts = np.split(features.std(axis=0, dtype=np.float64), np.cumsum(depths)[:-1])
    scales = [1.0 / ((part + FLOOR * part.mean() + 1e-9) * np.sqrt(len(part))) for part in parts]
    return mean, np.concatenate(scales)


def _differences(values: Array, labels: NDArray[np.intp]) -> Array:
    """How far the pictures of each patient are from their mean, without bias; who has one picture has no say."""
    means, counts = _means(values, labels)
    several = counts[labels] > 1
    gain = np.sqrt(counts[labels[several]] / (counts[labels[several]] - 1))
    return np.asarray((values[several] - means[labels[several]]) * gain[:, np.newaxis])


def _means(values: Array, labels: NDArray[np.intp]) -> tuple[Array, NDArray[np.intp]]:
    """The mean of every label, float (labels, k), and how many rows it has."""
    counts = np.bincount(labels)
    return np.stack([np.bincount(labels, column) for column in values.T], axis=1) / counts[:, np.newaxis], counts


def _levelled(differences: Array, shrinkage: float) -> Array:
    """The square map (k, k) after which `differences`, float (m, k), have nearly the same variance everywhere."""
    covariance = differences.T @ differences / len(differences)
    covariance += shrinkage * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = eigh(covariance)
    return np.asarray(_signed(vectors) / np.sqrt(values))


def _principal_axes(values: Array) -> Array:
    """The rotation (k, k) to the directions in which float (n, k) varies most, the strongest first."""
    _, vectors = eigh(np.cov(values.T))
    return _signed(vectors[:, ::-1])


def _signed(directions: Array) -> Array:
    """Signs that do not hang on the last bit: the largest entry of every column is positive."""
    largest = np.abs(directions).argmax(axis=0)
    return np.asarray(directions * np.sign(directions[largest, np.arange(directions.shape[1])]))
