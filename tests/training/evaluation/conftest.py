"""A tiny bundle with a test split: generated surfaces that are photographed several times."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from shared.models.manifest import MANIFEST_FILE, OperatingPoints, read_manifest
from training.data.bundle_manifest import COLUMNS
from training.data.imagenet_weights import MOBILENET_V2_FILE

ENROLLED = 6
STRANGERS = 3
TRACK = "skin-generated"
POINTS = OperatingPoints(strict=0.9606, strict_origin="the subjects of a test")


def photograph(subject: int, shot: int) -> np.ndarray:
    """uint8 (96, 128, 3): the subject's own surface, a little turned, with the noise of the shot."""
    surface = np.random.default_rng(subject).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    picture = cv2.resize(surface, (128, 96), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((64, 48), 4.0 * shot, 1.0)
    noise = np.random.default_rng((subject, shot)).normal(0, 4, picture.shape)
    return np.asarray(np.clip(cv2.warpAffine(picture, turn, (128, 96)) + noise, 0, 255), np.uint8)


def _rows() -> Iterator[tuple[int, int, dict[str, Any]]]:
    for subject in range(ENROLLED):
        yield subject, 0, {"role": "gallery", "split": "test"}
        yield subject, 1, {"role": "query", "split": "test"}
        yield subject, 2, {"role": "query", "split": "test"}
    for subject in range(ENROLLED, ENROLLED + STRANGERS):
        yield subject, 1, {"role": "impostor", "split": "test"}
    for subject in range(50, 62):
        for shot in (0, 1):
            yield subject, shot, {"role": "train", "split": "train"}
    for subject in (90, 91):
        yield subject, 0, {"role": "ood", "split": "test", "modality": "other", "track": "", "subject": ""}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with manifest.csv and pictures: six enrolled, three strangers, two foreign, twelve to train on (twice)."""
    root = tmp_path_factory.mktemp("evaluated")
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for subject, shot, columns in _rows():
            path = f"{subject:02}-{shot}.png"
            cv2.imwrite(str(root / path), photograph(subject, shot))
            common = {
                "path": path,
                "modality": "skin",
                "source": "generated",
                "subject": f"s{subject:02}",
                "acquisition": f"shot {shot}",
                "track": TRACK,
            }
            writer.writerow(common | columns)
    return root


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with (random) weights under the name of the real ones."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None)
    network.save_weights(folder / MOBILENET_V2_FILE)
    return folder


@pytest.fixture(scope="session")
def models(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped models of skin and COMPA; skin under the trunk whose weights the tests have."""
    root = tmp_path_factory.mktemp("models")
    for name in ("skin-service", "compa-service"):
        shutil.copytree(repository / name, root / name)
        manifest = read_manifest(repository / name).model_copy(update={"trunk": "mobilenet_v2"})
        if manifest.kind == "identifier":
            manifest = manifest.model_copy(update={"operating_points": POINTS})
        (root / name / MANIFEST_FILE).write_text(manifest.model_dump_json())
    return root
