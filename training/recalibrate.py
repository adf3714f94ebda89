"""`python -m training.recalibrate --modality ct --data BUNDLE`: fit a shipped model's calibration again.

With it comes the threshold of the operating point `strict`. For when the way of calibrating changes and the network
does not: `model.json` is rewritten, the network and its digest stay, so nobody has to be enrolled again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.modalities import load_registry
from shared.models.folder import MANIFEST_FILE, ModelManifest, file_digest, read_manifest
from shared.models.sessions import open_session
from training.checkpoints import claim
from training.configuration import CALIBRATING, IdentifierConfiguration, read_configuration
from training.datasets.manifest import read_manifest as read_rows
from training.frozen import fit_discriminant
from training.points import choose_points
from training.runs import Bundle, calibrate, embedder_of, judge_of, judged_by, load_data, shipped_cohort

REPOSITORY = Path(__file__).parent.parent


def recalibrate(folder: Path, bundle: Bundle, run: Path) -> ModelManifest:
    """The manifest with the new calibration, written; ValueError where the folder holds no identifier.

    `run` is the folder of the training's checkpoints: trunks that were tuned for the folds are read there, or tuned
    again.
    """
    manifest, configuration = read_manifest(folder, calibrated=False), read_configuration(folder)
    if not isinstance(configuration, IdentifierConfiguration) or manifest.recipe is None:
        raise ValueError(f"{folder.name}/ holds no identification model")
    modality = load_registry()[manifest.name]
    if modality.recipe.steps != manifest.recipe.steps:
        raise ValueError(
            f"{folder.name}/ was trained with other preprocessing steps than the registry's; train it again"
        )
    if configuration.tuning:
        claim(run, configuration, bundle.training_rows(manifest.name))
    data = load_data(modality, bundle, configuration)
    session = open_session(folder)
    embed = embedder_of(session)
    judge = judge_of(modality, configuration)
    if configuration.epochs:
        cohort = shipped_cohort(session, data, configuration)
        tracks = judged_by(embed, cohort, data, configuration, judge)
    else:
        # the network of all folds is not the shipped one, which has seen other pictures or views of them: that stays
        again = fit_discriminant(data, configuration, _needed(bundle.weights), judge, run)
        cohort, tracks = shipped_cohort(session, data, configuration, again.cohort_size), again.tracks
    calibration = calibrate(tracks, data, configuration, modality, embed)
    points = choose_points(tracks, calibration)
    fitted = manifest.model_copy(
        update={
            "calibration": calibration,
            "cohort": file_digest(cohort.write(folder)),
            "operating_points": points,
            "recipe": modality.recipe,
            "training": manifest.training | {"configuration": _as_fitted(manifest.training, configuration)},
        }
    )
    (folder / MANIFEST_FILE).write_text(fitted.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return fitted


def _as_fitted(training: Mapping[str, Any], configuration: IdentifierConfiguration) -> dict[str, Any]:
    """The configuration that the manifest tells of, with what the calibration has now been fitted by."""
    return {**training["configuration"], **configuration.model_dump(mode="json", include=CALIBRATING)}


def _needed(weights: Path | None) -> Path:
    if weights is None:
        raise ValueError("a trunk that stayed as it is needs its ImageNet weights: name their folder (--weights)")
    return weights


def main(arguments: list[str] | None = None) -> None:
    """Print the new parameters and points."""
    parser = argparse.ArgumentParser(prog="python -m training.recalibrate", description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--modality", required=True, action="append")
    parser.add_argument("--weights", type=Path, help="folder with ImageNet weights (default: weights/ beside the data)")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs", help="checkpoints of the training")
    options = parser.parse_args(arguments)
    weights = options.weights or options.data.parent / "weights"
    bundle = Bundle(options.data, read_rows(options.data), weights if weights.is_dir() else None)
    for name in options.modality:
        manifest = recalibrate(REPOSITORY / f"{name}-service", bundle, options.runs / name)
        print(name, manifest.calibration, manifest.operating_points)  # noqa: T201


if __name__ == "__main__":
    main()
