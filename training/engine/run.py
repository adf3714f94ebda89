"""One run from data to model folder: train, calibrate on validation subjects, export, check, describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from shared.identification.cohort import Cohort
from shared.images.recipes import build_recipe
from shared.images.views import network_view
from shared.keypoints.verification import LocalVerifier, build_verifier
from shared.modalities import Modality, load_registry
from shared.modalities.registry import OTHER
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import Calibration, ModelManifest, file_digest
from shared.models.protocols import NETWORK_SIZE, ModelSession, NetworkInput
from training.calibration.posterior_fit import Limits, fit_calibration
from training.calibration.rejection import fit_rejection
from training.calibration.strict_threshold import ENOUGH, choose_points
from training.data.bundle_manifest import Row
from training.data.dataset import Data
from training.data.images import CACHE_SIDE, load_pictures
from training.data.labelled_images import LabelledPictures, LabelledRows
from training.data.out_of_domain import ForeignPictures
from training.data.out_of_domain.collections import collected_rows, load_collections
from training.data.simulated_revisits import later_visits, repeat_shots
from training.engine.classifier import answers_of, train_classifier
from training.engine.configuration import ClassifierConfiguration, Configuration, IdentifierConfiguration
from training.engine.curves import plot_curves
from training.engine.discriminant_folds import COHORT, Fitted, Judge, cohort_paths, fit_discriminant
from training.engine.embedding import train_identifier
from training.engine.initialisation import build_network
from training.engine.validation import FITTED, Embed, Embeddings, Scored, ValidationSet, embedder
from training.evaluation.classifier_metrics import rejection_figures, subtype_figures
from training.export.litert import Integers, at_network_size, export_litert, golden
from training.export.model_card import write_folder
from training.networks.layers import mirror_symmetric

COMPA = "compa"
LEAST = 4
"""Subjects that a network may be made of."""


@dataclass(frozen=True)
class Bundle:
    """A folder of pictures with its manifest, and the folder of pretrained weights (None: Keras fetches its own)."""

    root: Path
    rows: Sequence[Row]
    weights: Path | None

    def training_rows(self, name: str = COMPA) -> list[Row]:
        """Everything that one modality's network, or COMPA, may learn from."""
        return [row for row in self.rows if row.split == "train" and name in (COMPA, row.modality)]


@dataclass(frozen=True)
class Trained:
    """A finished network and what is to be said of it.

    `described` gives further members of the manifest, once the network lies exported in the folder that it is given.
    """

    name: str
    network: keras.Model
    configuration: Configuration
    rows: Sequence[Row]
    figures: Mapping[str, float | str]
    described: Callable[[Path], Mapping[str, Any]]
    answer: Callable[[NetworkInput], NDArray[np.float32]]
    """What it says of uint8 (n, 224, 224, 3), as it will be exported."""
    integers: Integers | None
    """What of its trunk is to be int8."""


def train_modality(
    name: str, bundle: Bundle, configuration: IdentifierConfiguration, folder: Path, run: Path
) -> ModelManifest:
    """Train, export and describe the identification model of one modality; ValueError where the data is too little."""
    modality = load_registry()[name]
    data = load_data(modality, bundle, configuration)
    judge = judge_of(modality, configuration)
    if configuration.epochs:
        trained = train_identifier(data, configuration, bundle.weights, run)
        cohort = cohort_of(embedder(trained), data, cohort_paths(data.fitting, configuration))
        tracks = judged_by(embedder(trained), cohort, data, configuration, judge)
        fitted = Fitted(trained, len(cohort), tracks, embedder(trained), None)
    else:
        fitted = fit_discriminant(data, configuration, bundle.weights, judge, run)
    tracks = fitted.tracks
    network = at_network_size(fitted.network, _rebuilt_identifier(configuration, bundle.weights))
    calibration = calibrate(tracks, data, configuration, modality, fitted.embed)
    points = choose_points(tracks, calibration)

    def described(exported: Path) -> dict[str, Any]:
        cohort = shipped_cohort(LiteRTSession(exported), data, configuration, fitted.cohort_size)
        return {
            "recipe": modality.recipe,
            "calibration": calibration,
            "cohort": file_digest(cohort.write(exported)),
            "operating_points": points,
        }

    def answer(images: NetworkInput) -> Embeddings:
        return fitted.embed(images.astype(np.float32))

    trained_network = Trained(
        name, network, configuration, data.rows, _figures(tracks), described, answer, fitted.integers
    )
    return _ship(trained_network, folder, run)


def _figures(tracks: Sequence[Scored]) -> dict[str, float]:
    """By embeddings alone."""
    return {
        f"{s.track}, {s.queries} probes of {s.subjects} subjects: {figure}": value
        for s in (track.score for track in tracks)
        for figure, value in (("rank-1", s.rank1), ("mean average precision", s.mean_average_precision))
    }


def judge_of(modality: Modality, configuration: IdentifierConfiguration) -> Judge:
    """What a calibration is fitted on: enough probes, strangers as the configuration says."""

    def judge(part: ValidationSet, embeddings: Embeddings, cohort: Cohort | None) -> list[Scored]:
        asked = part if configuration.singles else part.without_outsiders()
        return judged(build_verifier(modality), asked, embeddings, cohort, most=ENOUGH)

    return judge


def judged(
    verifier: LocalVerifier | None,
    part: ValidationSet,
    embeddings: Embeddings,
    cohort: Cohort | None = None,
    *,
    most: int = FITTED,
) -> list[Scored]:
    """Every track of a set; where there is a verifier, with keypoints of at most `most` probes a track."""
    return part.verified(embeddings, verifier, cohort, most) if verifier else part.scored(embeddings, cohort)


def cohort_of(embed: Embed, data: Data, paths: Sequence[str]) -> Cohort:
    """These pictures, as a network embeds them."""
    pictures = tqdm((data.recipe(data.pictures[path]) for path in paths), desc="cohort", total=len(paths))
    return Cohort(np.concatenate([embed(network_view(view[np.newaxis]).astype(np.float32)) for view in pictures]))


def embedder_of(session: ModelSession) -> Embed:
    """The exported network as a function of pictures, which it takes as whole numbers."""
    return lambda images: session.run(images.astype(np.uint8))


def shipped_cohort(
    session: ModelSession, data: Data, configuration: IdentifierConfiguration, most: int = COHORT
) -> Cohort:
    """At most so many training pictures as the exported network embeds them: probes in service are embedded by it.

    Where the trunk was trained they are of those whom it was fitted to, otherwise of everybody.
    """
    rows = data.fitting if configuration.epochs else data.rows
    return cohort_of(embedder_of(session), data, cohort_paths(rows, configuration, most))


def judged_by(
    embed: Embed, cohort: Cohort | None, data: Data, configuration: IdentifierConfiguration, judge: Judge
) -> list[Scored]:
    """The tracks of the validation subjects, whom neither embedder nor cohort has seen."""
    seed = configuration.seed
    parts = [ValidationSet(data.validation, data.pictures, data.recipe)]
    if configuration.neighbours and (visits := later_visits(data.validation, data.pictures, data.recipe, seed)):
        parts.append(visits)
    return [track for part in parts for track in judge(part, part.embeddings(embed), cohort)]


def calibrate(
    tracks: Sequence[Scored],
    data: Data,
    configuration: IdentifierConfiguration,
    modality: Modality,
    embed: Embed,
    most: int = FITTED,
) -> Calibration:
    """Fitted on the tracks of subjects that the network has not seen, with keypoints where the registry has them.

    Where keypoints were compared, at most `most` probes of a track count. `data` and `embed` make the repeat shots that
    the configuration may ask for.
    """
    made = list[Scored]()
    if configuration.repeats and modality.local_verification:
        part = repeat_shots(data.validation, data.pictures, data.recipe, configuration.seed)
        made = judged(build_verifier(modality), part, part.embeddings(embed))
    real = [track if track.agreeing is None else track.drawn(most) for track in tracks]
    limits = Limits(modality.threshold, shown=configuration.shown)
    limits = limits.halved() if configuration.cautious else limits
    bounded = configuration.bounded and modality.local_verification  # without keypoints nothing would say the rest
    return fit_calibration(real, configuration.seed, made, limits, bounded=bounded)


def train_compa(bundle: Bundle, configuration: ClassifierConfiguration, folder: Path, run: Path) -> ModelManifest:
    """Train, export and describe COMPA over the modalities of the registry."""
    labels = (*load_registry().names, OTHER)
    drawing = drawn_pictures(bundle, configuration)
    learned = train_classifier(drawing, labels, configuration, bundle.weights, run)
    lessons = learned.validation
    names = {modality: tuple(patterns) for modality, patterns in configuration.subtypes.items()}
    answers = answers_of(learned.answers, labels, names)
    rejection = fit_rejection(answers["probabilities"], lessons.labels, lessons.mishaps, configuration.accepted_loss)
    figures = rejection_figures(answers["probabilities"], lessons, rejection, configuration.held_out)
    figures |= subtype_figures(answers, lessons, names)
    described = {"rejection": rejection, "labels": labels, "subtypes": names}
    return _ship(
        Trained(
            COMPA,
            learned.network,
            configuration,
            [*bundle.training_rows(), *collected_rows()],
            figures,
            lambda _: described,
            learned.answer,
            learned.integers,
        ),
        folder,
        run,
    )


def drawn_pictures(bundle: Bundle, configuration: ClassifierConfiguration) -> LabelledPictures:
    """What COMPA learns from and is judged by: the rows of a bundle, and the foreign pictures that are there."""
    data = LabelledRows((*load_registry().names, OTHER), bundle.training_rows())
    pictures = load_pictures(bundle.root, data.rows)
    foreign = ForeignPictures(data.foreign_pictures(pictures) | load_collections())
    return LabelledPictures(data, pictures, foreign, configuration)


def load_data(modality: Modality, bundle: Bundle, configuration: IdentifierConfiguration) -> Data:
    """What a modality's network is made of, decoded; ValueError where that is too little."""
    rows = identified_rows(modality.name, bundle, configuration)
    pictures = load_pictures(bundle.root, rows, max(CACHE_SIDE, modality.recipe.size))
    return Data(rows, pictures, build_recipe(modality.recipe), configuration.validation_share)


def identified_rows(name: str, bundle: Bundle, configuration: IdentifierConfiguration) -> list[Row]:
    """What a modality's network learns from; ValueError where that is too little."""
    rows = _learned_from(name, bundle, configuration)
    if _subjects(rows) < LEAST:
        anywhere = _learned_from(name, bundle, configuration.model_copy(update={"sources": ()}))
        if _subjects(anywhere) < LEAST:
            raise ValueError(
                f"the manifest has fewer than four subjects with modality {name}, split train and role train; "
                "a network cannot learn to tell people apart from them"
            )
        raise ValueError(
            f"`sources` of the configuration of {name} names {', '.join(configuration.sources)}, and fewer than four of"
            f" the {_subjects(anywhere)} subjects with modality {name}, split train and role train are from there:"
            " empty it, or name sources of the manifest"
        )
    return rows


def _learned_from(name: str, bundle: Bundle, configuration: IdentifierConfiguration) -> list[Row]:
    candidates = bundle.training_rows(name)
    rows = [
        row
        for row in candidates
        if row.role == "train" and row.subject and (not configuration.sources or row.source in configuration.sources)
    ]
    return rows + [
        replace(r, subject=r.path, track="") for r in candidates if r.source in configuration.instance_sources
    ]


def _subjects(rows: Sequence[Row]) -> int:
    return len({row.subject for row in rows})


def _rebuilt_identifier(configuration: IdentifierConfiguration, weights: Path | None) -> keras.Model:
    network, _ = build_network(configuration, NETWORK_SIZE, weights)
    return mirror_symmetric(network) if configuration.mirrored else network


def _ship(trained: Trained, folder: Path, run: Path) -> ModelManifest:
    folder.mkdir(parents=True, exist_ok=True)
    trained.network.save(run / "model.keras")
    path = export_litert(trained.network, folder, float16=trained.configuration.float16, integers=trained.integers)
    if (run / "log.csv").is_file():  # a trunk that stays as it is has no curve
        plot_curves(run / "log.csv", run / "curves.png")
    configuration = trained.configuration.model_dump(mode="json")
    manifest = ModelManifest(
        kind="classifier" if trained.name == COMPA else "identifier",
        name=trained.name,
        digest=file_digest(path),
        output_size=trained.network.output_shape[-1],
        trunk=trained.configuration.trunk,
        golden=golden(trained.answer),
        training={"seed": configuration["seed"], "configuration": configuration, "validation": dict(trained.figures)},
        **trained.described(folder),
    )
    write_folder(folder, manifest, trained.rows, trained.figures)
    return manifest
