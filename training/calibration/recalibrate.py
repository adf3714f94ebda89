"""`python -m training.calibration.recalibrate --modality ct --data BUNDLE`: fit a shipped model's calibration again.

The threshold of the operating point `strict` is chosen again too. `model.json` is rewritten; the network and its digest
stay, so enrolled patients stay enrolled. There are two cases, and the command cannot tell them apart:

- BUNDLE is what the network was trained on, and the way of calibrating has changed. No subject is scored by a network
  that has learned from it: a finetuned network scores its validation subjects; a discriminant's folds are fitted again.
- BUNDLE shows other people (--unseen), and the network has learned from none of them. The shipped network and cohort
  score all of them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shared.identification.cohort import Cohort, read_cohort
from shared.modalities import Modality, load_registry
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import COHORT_FILE, MANIFEST_FILE, ModelManifest, file_digest, read_manifest
from training.calibration.identifier_calibration import calibrate, track_scorer
from training.calibration.strict_threshold import COUNTED_FROM, choose_points
from training.configuration import IdentifierConfiguration, read_configuration
from training.data.bundle_manifest import read_manifest as read_rows
from training.data.dataset import Bundle, Dataset, load_dataset
from training.data.imagenet_weights import require_weights
from training.engine.discriminant_folds import TrackScorer, fit_discriminant, shipped_cohort
from training.engine.embedding import score_validation
from training.engine.validation import PROBES_PER_TRACK, Embed, Embeddings, TrackScores, ValidationSet, session_embedder

REPOSITORY = Path(__file__).parents[2]
SAME = 0.999
"""Cosine of an image with itself in the cohort, which is stored as float16. Two images almost never reach it."""
FEW = 0.01
"""Fraction of images that may be in the cohort all the same: empty images of different people look alike."""


@dataclass(frozen=True)
class CalibrationScores:
    """Scores to fit a calibration to; `most` probes of a track are used. `cohort` is a new one, or None to keep it."""

    data: Dataset
    tracks: list[TrackScores]
    cohort: Cohort | None
    most: int


def recalibrate(folder: Path, bundle: Bundle, *, unseen: bool = False) -> ModelManifest:
    """Fit calibration and threshold, write them into `model.json` and return it.

    Args:
        folder: folder of the model.
        bundle: people with images in `split=train`.
        unseen: the network has not learned from any of them.

    Raises:
        ValueError: the folder holds no identifier, or with `unseen` the people are in its cohort.
    """
    manifest, configuration = read_manifest(folder, calibrated=False), read_configuration(folder)
    if not isinstance(configuration, IdentifierConfiguration) or manifest.recipe is None:
        raise ValueError(f"{folder.name}/ holds no identification model. Name another modality.")
    modality = load_registry()[manifest.name]
    if not modality.recipe.same_as(manifest.recipe.model_copy(update={"size": modality.recipe.size})):
        raise ValueError(
            f"{folder.name}/ was trained with other preprocessing steps than the registry has now. Train it again."
        )
    embed = session_embedder(LiteRTSession(folder))
    if unseen:
        scores = _of_unseen(modality, bundle, configuration, embed, read_cohort(folder, manifest))
    else:
        scores = _of_training(modality, bundle, configuration, embed)
    calibration = calibrate(scores.tracks, scores.data, configuration, modality, embed, scores.most)
    fitted = manifest.model_copy(
        update={
            "calibration": calibration,
            "cohort": file_digest(scores.cohort.write(folder)) if scores.cohort else manifest.cohort,
            "operating_points": choose_points(scores.tracks, calibration),
            "recipe": modality.recipe,
            "training": manifest.training | _described(manifest, configuration, scores, unseen=unseen),
        }
    )
    (folder / MANIFEST_FILE).write_text(fitted.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return fitted


def _of_training(
    modality: Modality, bundle: Bundle, configuration: IdentifierConfiguration, embed: Embed
) -> CalibrationScores:
    """Score the people of the training by networks and cohorts that have not seen them."""
    score = track_scorer(modality, configuration)
    if configuration.discriminant:
        require_weights(configuration.backbone, bundle.weights)
    data = load_dataset(modality, bundle, configuration)
    if configuration.finetune:
        cohort = shipped_cohort(embed, data, configuration)
        tracks = score_validation(embed, cohort, data, configuration, score)
        return CalibrationScores(data, tracks, cohort, PROBES_PER_TRACK)
    # the network of all folds differs from the shipped one, which has seen other images or views: that one stays
    again = fit_discriminant(data, configuration, bundle.weights, score)
    cohort = shipped_cohort(embed, data, configuration, again.cohort_size)
    return CalibrationScores(data, again.tracks, cohort, PROBES_PER_TRACK)


def _of_unseen(
    modality: Modality, bundle: Bundle, configuration: IdentifierConfiguration, embed: Embed, cohort: Cohort | None
) -> CalibrationScores:
    """Score all people of the bundle with the shipped network and cohort.

    Nothing is trained, so sources to train on do not matter. There are no folds, so all probes are used.
    """
    everything = configuration.model_copy(update={"sources": (), "instance_sources": ()})
    data = load_dataset(modality, bundle, everything, validation_share=1.0).all_validation()
    score = _refuse_cohort_members(track_scorer(modality, configuration))
    return CalibrationScores(data, score_validation(embed, cohort, data, configuration, score), None, COUNTED_FROM)


def _refuse_cohort_members(score: TrackScorer) -> TrackScorer:
    """Return the scorer; it raises ValueError if the images are in the cohort.

    A network separates the people it has learned from better than others, so their confidence would be too high.
    """

    def scored(part: ValidationSet, embeddings: Embeddings, cohort: Cohort | None) -> list[TrackScores]:
        seen = float(np.mean(cohort.nearest(embeddings) >= SAME)) if cohort else 0.0
        if seen > FEW:
            raise ValueError(
                f"{seen:.0%} of the images are in {COHORT_FILE}, so the network has learned from these people or was"
                " calibrated with them. Leave these people out, call the command without --unseen, or restore the"
                " files of the model first."
            )
        return score(part, embeddings, cohort)

    return scored


def _described(
    manifest: ModelManifest, configuration: IdentifierConfiguration, scores: CalibrationScores, *, unseen: bool
) -> dict[str, Any]:
    """Return the members of the manifest's `training` that tell how the calibration was fitted."""
    settings = configuration.calibration.model_dump(mode="json")
    if scores.cohort is None:  # the cohort stays, so its sources do, too
        before = manifest.training["configuration"]
        settings["cohort_sources"] = before.get("calibration", before).get("cohort_sources", [])
    subjects = len({row.subject for row in scores.data.validation})
    return {
        "configuration": {**manifest.training["configuration"], "calibration": settings},
        "calibrated": {"unseen": unseen, "subjects": subjects},
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the new parameters and operating points. Return 0, or 2 with a sentence on what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m training.calibration.recalibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the images")
    parser.add_argument("--modality", required=True, action="append", help="may be repeated")
    parser.add_argument("--unseen", action="store_true", help="the network has not learned from any of these people")
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    options = parser.parse_args(arguments)
    try:
        bundle = Bundle(options.data, read_rows(options.data), options.weights or options.data.parent / "weights")
        for name in options.modality:
            manifest = recalibrate(REPOSITORY / f"{name}-service", bundle, unseen=options.unseen)
            print(name, manifest.calibration, manifest.operating_points)  # noqa: T201
    except ValueError as error:
        print(f"recalibrate: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
