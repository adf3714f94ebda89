"""`python -m training.calibration.recalibrate --modality ct --data BUNDLE`: fit a shipped model's calibration again.

With it comes the threshold of the operating point `strict`. `model.json` is rewritten, the network and its digest stay,
so nobody has to be enrolled again. There are two occasions:

- The way of calibrating changes, and BUNDLE is what the network was trained on. Nobody is judged by what has learned
  from them: a network whose trunk was trained judges its validation subjects, and where the trunk stayed as it is,
  networks are fitted again by folds.
- The people change (`--unseen`): the network has learned from nobody of BUNDLE. All of them are judged by the network
  that ships, against the cohort that ships.

Which it is cannot be told from the pictures, since views may have changed since the training; so whoever calls says it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.identification.cohort import Cohort, read_cohort
from shared.modalities import Modality, load_registry
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import COHORT_FILE, MANIFEST_FILE, ModelManifest, file_digest, read_manifest
from shared.models.protocols import ModelSession
from training.calibration.strict_threshold import ENOUGH, choose_points
from training.data.bundle_manifest import Row
from training.data.bundle_manifest import read_manifest as read_rows
from training.data.dataset import Data
from training.engine.checkpoints import claim
from training.engine.configuration import CALIBRATING, IdentifierConfiguration, read_configuration
from training.engine.discriminant_folds import Judge, fit_discriminant
from training.engine.run import Bundle, calibrate, embedder_of, judge_of, judged_by, load_data, shipped_cohort
from training.engine.validation import FITTED, Embeddings, Scored, ValidationSet

REPOSITORY = Path(__file__).parent.parent
SAME = 0.999
"""Cosine of a picture with itself in the cohort, which is stored as float16; hardly two pictures come so near."""
FEW = 0.01
"""Share of pictures that may be in the cohort all the same: empty ones look alike, whoever they are of."""


@dataclass
class Newcomers(Data):
    """People from whom the network has not learned: all of them may say how well it tells people apart."""

    @property
    def fitting(self) -> list[Row]:
        """Nobody."""
        return []

    @property
    def validation(self) -> list[Row]:
        """All rows."""
        return list(self.rows)


@dataclass(frozen=True)
class Judged:
    """People and how they were told apart; `most` probes of a track fit the calibration.

    `cohort` is a new one; None: the one that ships stays.
    """

    data: Data
    tracks: list[Scored]
    cohort: Cohort | None
    most: int


def recalibrate(folder: Path, bundle: Bundle, run: Path, *, unseen: bool = False) -> ModelManifest:
    """The manifest with the new calibration, written; ValueError where the folder holds no identifier.

    `unseen`: the network has learned from nobody of the bundle; ValueError where their pictures are in its cohort.
    `run` is the folder of the training's checkpoints: trunks that were tuned for the folds are read there, or tuned
    again.
    """
    manifest, configuration = read_manifest(folder, calibrated=False), read_configuration(folder)
    if not isinstance(configuration, IdentifierConfiguration) or manifest.recipe is None:
        raise ValueError(f"{folder.name}/ holds no identification model")
    modality = load_registry()[manifest.name]
    if not modality.recipe.same_as(manifest.recipe.model_copy(update={"size": modality.recipe.size})):
        raise ValueError(
            f"{folder.name}/ was trained with other preprocessing steps than the registry's; train it again"
        )
    session = LiteRTSession(folder)
    if unseen:
        judged = _newcomers(modality, bundle, configuration, session, read_cohort(folder, manifest))
    else:
        judged = _trained_on(modality, bundle, configuration, session, run)
    embed = embedder_of(session)
    calibration = calibrate(judged.tracks, judged.data, configuration, modality, embed, judged.most)
    points = choose_points(judged.tracks, calibration)
    fitted = manifest.model_copy(
        update={
            "calibration": calibration,
            "cohort": file_digest(judged.cohort.write(folder)) if judged.cohort else manifest.cohort,
            "operating_points": points,
            "recipe": modality.recipe,
            "training": manifest.training
            | {
                "configuration": _as_fitted(manifest.training, configuration, judged),
                "calibrated": {"unseen": unseen, "subjects": len({row.subject for row in judged.data.validation})},
            },
        }
    )
    (folder / MANIFEST_FILE).write_text(fitted.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return fitted


def _trained_on(
    modality: Modality, bundle: Bundle, configuration: IdentifierConfiguration, session: ModelSession, run: Path
) -> Judged:
    """The people of the training, none of whom is judged by a network or a cohort that has seen them."""
    if configuration.tuning:
        claim(run, configuration, bundle.training_rows(modality.name))
    data, judge = load_data(modality, bundle, configuration), judge_of(modality, configuration)
    if configuration.epochs:
        cohort = shipped_cohort(session, data, configuration)
        tracks = judged_by(embedder_of(session), cohort, data, configuration, judge)
        return Judged(data, tracks, cohort, FITTED)
    # the network of all folds is not the shipped one, which has seen other pictures or views of them: that stays
    again = fit_discriminant(data, configuration, _needed(bundle.weights), judge, run)
    cohort = shipped_cohort(session, data, configuration, again.cohort_size)
    return Judged(data, again.tracks, cohort, FITTED)


def _newcomers(
    modality: Modality,
    bundle: Bundle,
    configuration: IdentifierConfiguration,
    session: ModelSession,
    cohort: Cohort | None,
) -> Judged:
    """Everybody of the bundle, judged by the network and the cohort that ship.

    Nothing is learned, so what the configuration says of sources to learn from does not matter. There are no folds
    either, so all who are judged fit the calibration, and not as many of each fold.
    """
    everything = configuration.model_copy(update={"sources": (), "instance_sources": ()})
    known = load_data(modality, bundle, everything)
    data = Newcomers(known.rows, known.pictures, known.recipe, known.validation_share)
    judge = _without_the_seen(judge_of(modality, configuration))
    return Judged(data, judged_by(embedder_of(session), cohort, data, configuration, judge), None, ENOUGH)


def _without_the_seen(judge: Judge) -> Judge:
    """The judge; ValueError where what it is to judge is among the members of the cohort.

    Whom a network has learned from it tells apart better than anybody else, and their confidence would be too high.
    """

    def judged(part: ValidationSet, embeddings: Embeddings, cohort: Cohort | None) -> list[Scored]:
        seen = float(np.mean(cohort.nearest(embeddings) >= SAME)) if cohort else 0.0
        if seen > FEW:
            raise ValueError(
                f"{seen:.0%} of the pictures are in {COHORT_FILE}, so the network has learned from these people or was"
                " calibrated by them: leave them out, or leave --unseen out, or take the files of the model back first"
            )
        return judge(part, embeddings, cohort)

    return judged


def _as_fitted(training: Mapping[str, Any], configuration: IdentifierConfiguration, judged: Judged) -> dict[str, Any]:
    """The configuration that the manifest tells of, with what the calibration has now been fitted by."""
    fitted = CALIBRATING if judged.cohort else CALIBRATING - {"cohort_sources"}
    return {**training["configuration"], **configuration.model_dump(mode="json", include=fitted)}


def _needed(weights: Path | None) -> Path:
    if weights is None:
        raise ValueError("a trunk that stayed as it is needs its ImageNet weights: name their folder (--weights)")
    return weights


def main(arguments: list[str] | None = None) -> int:
    """Print the new parameters and points; exit status 0, or 2 where something is wrong, which is said."""
    parser = argparse.ArgumentParser(
        prog="python -m training.calibration.recalibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--modality", required=True, action="append")
    parser.add_argument(
        "--unseen",
        action="store_true",
        help="the network has learned from nobody of the data: all are judged by it, and its cohort stays",
    )
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs", help="checkpoints of the training")
    options = parser.parse_args(arguments)
    weights = options.weights or options.data.parent / "weights"
    try:
        bundle = Bundle(options.data, read_rows(options.data), weights if weights.is_dir() else None)
        for name in options.modality:
            folder, run = REPOSITORY / f"{name}-service", options.runs / name
            manifest = recalibrate(folder, bundle, run, unseen=options.unseen)
            print(name, manifest.calibration, manifest.operating_points)  # noqa: T201
    except ValueError as error:
        print(f"recalibrate: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
