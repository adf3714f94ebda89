"""The pictures that every candidate sees: drawn, decoded and augmented once, so that all see the same pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from experiments.comparison.candidates import MODALITIES, SIZE
from shared.images.recipes import build_recipe
from shared.modalities import load_registry
from shared.models.protocols import NETWORK_SIZE
from training.configuration import IdentifierConfiguration, read_configuration
from training.data.batches import IdentityBatches
from training.data.dataset import Bundle, Dataset, dataset_of, identifier_rows
from training.data.images import load_pictures
from training.data.splits import validation_protocols
from training.engine.initialisation import at_size
from training.engine.validation import ValidationSet

IMAGES_PER_IDENTITY = 2
START_PICTURES = 2
"""Per identity, not augmented: what whitening and class directions start from."""

Views = NDArray[np.uint8]


@dataclass(frozen=True)
class Budget:
    """Training budget of every candidate. Results of different budgets are not mixed."""

    steps: int = 32
    pictures: int = 48
    seed: int = 1
    validation_share: float = 0.3
    learning_rate: float = 1e-3
    trunk_learning_rate_factor: float = 0.3
    modalities: tuple[str, ...] = MODALITIES


@dataclass(frozen=True)
class Material:
    """One modality.

    `batches` is uint8 (steps, pictures, SIZE, SIZE, 3), `labels` int32 (steps, pictures); `start` uint8
    (n, SIZE, SIZE, 3), `start_labels` int32 (n,), each of the `classes` at least once.
    """

    name: str
    classes: int
    batches: Views
    labels: NDArray[np.int32]
    start: Views
    start_labels: NDArray[np.int32]
    validation: ValidationSet


def prepare(name: str, bundle: Bundle, folder: Path, budget: Budget) -> Material:
    """Material of the modality whose training is configured in `folder`; only rows of `split=train` are read."""
    configuration = read_configuration(folder)
    if not isinstance(configuration, IdentifierConfiguration):
        raise ValueError(f"{name}-service/ is not configured as an identification model. Name a modality.")
    rows = identifier_rows(name, bundle, configuration)
    pictures = load_pictures(bundle.root, rows)
    data = dataset_of(rows, pictures, build_recipe(load_registry()[name].recipe), budget.validation_share)
    drawn = _drawing(data, configuration, budget)
    batches = [drawn[step] for step in tqdm(range(budget.steps), desc=f"augmenting {name}", unit="batch")]
    start = list(_first_pictures(data, drawn))
    preprocess = at_size(data.recipe, SIZE)
    return Material(
        name,
        len(drawn.subjects),
        np.stack([images for images, _ in batches]).astype(np.uint8),
        np.stack([labels for _, labels in batches]),
        np.stack([preprocess(data.pictures[path]) for path, _ in start]),
        np.array([label for _, label in start], np.int32),
        ValidationSet(validation_protocols(data.validation), pictures, preprocess),
    )


def _drawing(data: Dataset, configuration: IdentifierConfiguration, budget: Budget) -> IdentityBatches:
    """The batches of training: the modality's own augmentation."""
    return IdentityBatches(
        data.training,
        data.pictures,
        at_size(data.recipe, SIZE),
        configuration.augmentation,
        view=NETWORK_SIZE,
        identities=budget.pictures // IMAGES_PER_IDENTITY,
        images_per_identity=IMAGES_PER_IDENTITY,
        steps=budget.steps,
        seed=budget.seed,
    )


def _first_pictures(data: Dataset, drawn: IdentityBatches) -> Iterator[tuple[str, int]]:
    """Path and label of up to `START_PICTURES` pictures of every identity."""
    paths: dict[str, list[str]] = defaultdict(list)
    for row in data.training:
        paths[row.subject].append(row.path)
    for i, subject in enumerate(drawn.subjects):
        own = np.random.default_rng((i, 0)).permutation(paths[subject])
        yield from ((str(path), i) for path in own[:START_PICTURES])
