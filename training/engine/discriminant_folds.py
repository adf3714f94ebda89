"""A frozen backbone behind a linear discriminant, validated on every training subject by folds.

With few patients, training a backbone may cost more than it gains. A frozen one needs no validation part to choose a
checkpoint, so all subjects can say how well patients and strangers are separated. Each third is scored by a
discriminant fitted to the other two; the one that ships is fitted to all. Features are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from shared.identification.cohort import Cohort
from shared.images.views import network_view
from shared.models.protocols import NETWORK_SIZE
from training.configuration import DiscriminantSettings, IdentifierConfiguration
from training.data.augmentation import augment
from training.data.batches import Preprocess
from training.data.bundle_manifest import Row
from training.data.dataset import Dataset
from training.data.simulated_revisits import later_visits
from training.data.splits import FOLDS, validation_protocols
from training.engine.contrastive import Pairs, refine_by_pairs
from training.engine.initialisation import FeatureExtractor, at_size, build_network, in_batches
from training.engine.linear_discriminant import Array, Map, discriminant
from training.engine.validation import Embed, Embeddings, TrackScores, ValidationSet, embedder
from training.networks.backbones import depth_sizes

COHORT_SIZE = 2048
"""Most images of a cohort. A larger one costs time for every probe and improves nothing."""
TrackScorer = Callable[[ValidationSet, Embeddings, Cohort | None], list[TrackScores]]
"""Scores a set by the embeddings of its images, with keypoints if the modality has them, and against a cohort."""


@dataclass(frozen=True)
class FittedIdentifier:
    """A trained network for images of the configuration's size, and the scores of its validation subjects.

    `tracks` are of every fold, each scored by a network and a cohort that have not seen it. `cohort_size` is the number
    of images of the smallest of these cohorts. The cohort that ships has that size too: the nearest of more strangers
    are nearer, and the calibration is fitted to cohorts of this size.
    """

    network: keras.Model
    cohort_size: int
    tracks: list[TrackScores]


@dataclass(frozen=True)
class ImageFeatures:
    """Features float32 (n, d) of images, and the row of each. Unchanged images come first, then their copies."""

    features: NDArray[np.float32]
    rows: Sequence[Row]

    def of(self, subjects: Set[str]) -> ImageFeatures:
        """Return the features of some subjects."""
        kept = np.flatnonzero([row.subject in subjects for row in self.rows])
        return ImageFeatures(self.features[kept], [self.rows[i] for i in kept.tolist()])

    def unchanged(self) -> dict[str, NDArray[np.float32]]:
        """Return the features of every unchanged image by its path."""
        first: dict[str, NDArray[np.float32]] = {}
        for row, features in zip(self.rows, self.features, strict=True):
            first.setdefault(row.path, features)
        return first

    @property
    def labels(self) -> NDArray[np.intp]:
        """A number for every subject, from 0 on, in the order of their codes."""
        return np.asarray(np.unique([row.subject for row in self.rows], return_inverse=True)[1], np.intp)


def image_features(backbone: FeatureExtractor, data: Dataset, configuration: IdentifierConfiguration) -> ImageFeatures:
    """Return the features of every training image and of the copies that the configuration asks for.

    An augmented copy lies between the image and its augmented image, `augmented_copies` of the way. So augmentation
    counts among the differences within a patient, weighted by the square of that.
    """
    settings, rows = settings_of(configuration), list(data.training)
    preprocess = at_size(data.recipe, configuration.size)

    def features(change: Preprocess | None = None) -> NDArray[np.float32]:
        pictures = (data.pictures[row.path] for row in tqdm(rows, desc="features", unit="image"))
        return in_batches(backbone, map(change, pictures) if change else pictures, preprocess)

    plain = features()
    parts = [plain]
    if settings.augmented_copies:
        rng = np.random.default_rng(configuration.seed)
        augmented = features(lambda image: augment(image, NETWORK_SIZE, configuration.augmentation, rng))
        parts.append(plain + settings.augmented_copies * (augmented - plain))
    if settings.mirrored_copies:
        parts.append(features(lambda image: np.ascontiguousarray(image[:, ::-1])))
    return ImageFeatures(np.concatenate(parts), rows * len(parts))


def settings_of(configuration: IdentifierConfiguration) -> DiscriminantSettings:
    """Return the table `[discriminant]`.

    Raises:
        ValueError: the configuration has none.
    """
    if configuration.discriminant is None:
        raise ValueError("training.toml has no table [discriminant], which this command needs.")
    return configuration.discriminant


def set_discriminant(
    network: keras.Model, backbone: keras.Model, images: ImageFeatures, configuration: IdentifierConfiguration
) -> None:
    """Set the network's dense layer to the linear discriminant of some images, refined if the configuration says so."""
    settings, layer, refine = settings_of(configuration), network.get_layer("embedding"), None
    labels = images.labels
    if settings.contrastive_steps:

        def refine(values: Array, head: Array) -> Map:
            paths = [row.path for row in images.rows]
            pairs = Pairs(values, labels, paths, settings.contrastive_steps, configuration.seed)
            return refine_by_pairs(head, pairs, settings.contrastive_learning_rate, configuration.seed)

    layer.set_weights(
        discriminant(
            images.features,
            labels,
            depth_sizes(backbone),
            layer.units,
            whitening_shrinkage=settings.whitening_shrinkage,
            within_class_shrinkage=settings.within_class_shrinkage,
            refine=refine,
        )
    )


def embedded(network: keras.Model, features: NDArray[np.float32]) -> Embeddings:
    """Return the embeddings of a linear identifier for features, float32 (n, d): float32 (n, 256), L2-normalised."""
    kernel, bias = network.get_layer("embedding").get_weights()
    values = features @ kernel + bias
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6), np.float32)


def fit_discriminant(
    data: Dataset, configuration: IdentifierConfiguration, weights: Path | None, score: TrackScorer
) -> FittedIdentifier:
    """Fit a discriminant to all rows of `data`, and score every subject by folds."""
    keras.utils.set_random_seed(configuration.seed)
    network, backbone = build_network(configuration, None, weights)
    images = image_features(backbone, data.all_training(), configuration)
    unchanged = images.unchanged()

    def embed(paths: Sequence[str]) -> Embeddings:
        return embedded(network, np.stack([unchanged[path] for path in paths]))

    tracks, sizes = [], []
    for number in range(FOLDS):
        fold = data.fold(number)
        set_discriminant(network, backbone, images.of({row.subject for row in fold.training}), configuration)
        cohort = Cohort(embed(cohort_paths(fold.training, configuration)))
        part = ValidationSet(validation_protocols(fold.validation), fold.pictures, fold.recipe)
        scored = score(part, embed(part.paths), cohort)
        if visits := later_visits_of(fold, configuration):
            scored += score(visits, visits.embeddings(embedder(network)), cohort)
        tracks += [replace(track, track=f"{track.track}, fold {number + 1} of {FOLDS}") for track in scored]
        sizes.append(len(cohort))
    set_discriminant(network, backbone, images, configuration)
    return FittedIdentifier(network, min(sizes), tracks)


def later_visits_of(data: Dataset, configuration: IdentifierConfiguration) -> ValidationSet | None:
    """Return simulated later visits of the validation subjects, if the configuration and the slices allow them."""
    if not configuration.calibration.simulate_later_visits:
        return None
    visits = later_visits(data.validation, data.pictures, configuration.seed)
    return ValidationSet(visits.protocols, visits.pictures, data.recipe) if visits else None


def cohort_paths(rows: Iterable[Row], configuration: IdentifierConfiguration, most: int = COHORT_SIZE) -> list[str]:
    """Draw at most `most` images for a cohort, always the same.

    Raises:
        ValueError: no image comes from one of the configuration's `cohort_sources`.
    """
    sources = configuration.calibration.cohort_sources
    paths = sorted({row.path for row in rows if not sources or row.source in sources})
    if not paths:
        raise ValueError(
            f"The cohort is empty: no training image is from the cohort_sources {', '.join(sources)}. Name sources of"
            " the manifest, or leave cohort_sources out."
        )
    return [str(path) for path in np.random.default_rng(configuration.seed).permutation(paths)[:most]]


def embed_cohort(embed: Embed, data: Dataset, paths: Sequence[str]) -> Cohort:
    """Return the cohort of these images."""
    pictures = tqdm((data.recipe(data.pictures[path]) for path in paths), desc="cohort", total=len(paths))
    return Cohort(np.concatenate([embed(network_view(view[np.newaxis]).astype(np.float32)) for view in pictures]))


def shipped_cohort(
    embed: Embed, data: Dataset, configuration: IdentifierConfiguration, most: int = COHORT_SIZE
) -> Cohort:
    """Return the cohort that ships, embedded by the exported network as probes in service are.

    It has at most `most` training images: of a finetuned network those of its training part, else of all subjects.
    """
    rows = data.training if configuration.finetune else data.rows
    return embed_cohort(embed, data, cohort_paths(rows, configuration, most))
