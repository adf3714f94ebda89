"""One training run from data to model folder: train, calibrate on validation subjects, export, describe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.modalities import load_registry
from shared.modalities.registry import OTHER
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import ModelManifest, file_digest
from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.calibration.identifier_calibration import calibrate, track_scorer
from training.calibration.rejection import fit_rejection, rejection_figures, subtype_figures
from training.calibration.strict_threshold import choose_points
from training.configuration import ClassifierConfiguration, IdentifierConfiguration
from training.data.dataset import COMPA, Bundle, load_dataset
from training.data.labelled_images import labelled_images
from training.data.out_of_domain.collections import collected_rows
from training.engine.checkpoints import plot_curves
from training.engine.classifier import split_outputs, train_classifier
from training.engine.discriminant_folds import fit_discriminant, shipped_cohort
from training.engine.embedding import finetune_identifier
from training.engine.initialisation import build_network
from training.engine.validation import Embeddings, TrackScores, embedder, session_embedder
from training.export.model_folder import TrainedModel, at_network_size, ship


def train_identifier(
    name: str, bundle: Bundle, configuration: IdentifierConfiguration, folder: Path, run: Path
) -> ModelManifest:
    """Train and ship the identification model of one modality.

    Raises:
        ValueError: the people are too few. The model folder stays as it is.
    """
    modality = load_registry()[name]
    data, score = load_dataset(modality, bundle, configuration), track_scorer(modality, configuration)
    if configuration.finetune:
        fitted = finetune_identifier(data, configuration, bundle.weights, score, run)
    else:
        fitted = fit_discriminant(data, configuration, bundle.weights, score)
    embed = embedder(fitted.network)
    network = at_network_size(fitted.network, build_network(configuration, NETWORK_SIZE, bundle.weights)[0])
    calibration = calibrate(fitted.tracks, data, configuration, modality, embed)
    points = choose_points(fitted.tracks, calibration)

    def described(exported: Path) -> dict[str, Any]:
        served = session_embedder(LiteRTSession(exported))
        cohort = shipped_cohort(served, data, configuration, fitted.cohort_size)
        return {
            "recipe": modality.recipe,
            "calibration": calibration,
            "cohort": file_digest(cohort.write(exported)),
            "operating_points": points,
        }

    def predict(pixels: NetworkInput) -> Embeddings:
        return embed(pixels.astype(np.float32))

    plot_curves(run)
    trained = TrainedModel(name, network, configuration, data.rows, _figures(fitted.tracks), described, predict)
    return ship(trained, folder, run)


def _figures(tracks: Sequence[TrackScores]) -> dict[str, float | str]:
    """Return the figures of embeddings alone, for the card."""
    return {
        f"{s.track}, {s.queries} probes of {s.subjects} subjects: {figure}": value
        for s in (track.score for track in tracks)
        for figure, value in (("rank-1", s.rank1), ("mean average precision", s.mean_average_precision))
    }


def train_compa(bundle: Bundle, configuration: ClassifierConfiguration, folder: Path, run: Path) -> ModelManifest:
    """Train and ship COMPA for the modalities of the registry.

    Raises:
        ValueError: a modality has no training images. The model folder stays as it is.
    """
    labels = (*load_registry().names, OTHER)
    classifier = train_classifier(labelled_images(bundle, configuration), labels, configuration, bundle.weights, run)
    validation = classifier.validation
    names = {modality: tuple(patterns) for modality, patterns in configuration.subtypes.items()}
    outputs = split_outputs(classifier.outputs, labels, names)
    probabilities = outputs["probabilities"]
    rejection = fit_rejection(
        probabilities, validation.labels, validation.corruptions, configuration.false_refusal_rate
    )
    figures = rejection_figures(probabilities, validation, rejection, configuration.held_out_families)
    figures |= subtype_figures(outputs, validation, names)
    described = {"rejection": rejection, "labels": labels, "subtypes": names}
    plot_curves(run)
    rows = [*bundle.training_rows(), *collected_rows()]
    trained = TrainedModel(
        COMPA,
        classifier.network,
        configuration,
        rows,
        figures,
        lambda _: described,
        classifier.predict,
        classifier.int8,
    )
    return ship(trained, folder, run)
