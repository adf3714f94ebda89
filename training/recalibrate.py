"""`python -m training.recalibrate --modality ct --data BUNDLE`: fit a shipped model's calibration again.

For when the way of calibrating changes and the network does not: `model.json` is rewritten, the network and its digest
stay, so nobody has to be enrolled again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.images.recipes import build_recipe
from shared.keypoints.verification import build_verifier
from shared.modalities import load_registry
from shared.models.folder import MANIFEST_FILE, ModelManifest, read_manifest
from shared.models.sessions import open_session
from training.configuration import IdentifierConfiguration, read_configuration
from training.datasets.manifest import read_manifest as read_rows
from training.datasets.pictures import CACHE_SIDE, load_pictures
from training.datasets.split import is_validation
from training.identification import Data
from training.runs import Bundle, calibrate, identified_rows, judged
from training.validation import Embeddings, ValidationSet

REPOSITORY = Path(__file__).parent.parent


def recalibrate(folder: Path, bundle: Bundle) -> ModelManifest:
    """The manifest with the new calibration, written; ValueError where the folder holds no identifier."""
    manifest, configuration = read_manifest(folder), read_configuration(folder)
    if not isinstance(configuration, IdentifierConfiguration) or manifest.recipe is None:
        raise ValueError(f"{folder.name}/ holds no identification model")
    if not configuration.epochs:
        raise ValueError(f"{folder.name}/ learns nothing: train it again, that takes no longer")
    modality = load_registry()[manifest.name]
    if modality.recipe.steps != manifest.recipe.steps:
        raise ValueError(
            f"{folder.name}/ was trained with other preprocessing steps than the registry's; train it again"
        )
    rows = identified_rows(manifest.name, bundle, configuration)
    held_out = [row for row in rows if is_validation(row.subject, configuration.validation_share)]
    pictures = load_pictures(bundle.root, held_out, max(CACHE_SIDE, modality.recipe.size))
    data = Data(held_out, pictures, build_recipe(modality.recipe), configuration.validation_share)
    validation = ValidationSet(held_out, pictures, data.recipe)
    session = open_session(folder)

    def embed(images: NDArray[np.float32]) -> Embeddings:
        return session.run(images.astype(np.uint8))

    calibration = calibrate(judged(build_verifier(modality), validation, embed), data, configuration, modality, embed)
    fitted = manifest.model_copy(update={"calibration": calibration, "recipe": modality.recipe})
    (folder / MANIFEST_FILE).write_text(fitted.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return fitted


def main(arguments: list[str] | None = None) -> None:
    """Print the new parameters."""
    parser = argparse.ArgumentParser(prog="python -m training.recalibrate", description=__doc__)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--modality", required=True, action="append")
    options = parser.parse_args(arguments)
    bundle = Bundle(options.data, read_rows(options.data), None)
    for name in options.modality:
        print(name, recalibrate(REPOSITORY / f"{name}-service", bundle).calibration)  # noqa: T201


if __name__ == "__main__":
    main()
