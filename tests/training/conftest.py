"""A tiny bundle of generated pictures: eight people whose pictures differ by a pattern of their own."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from shared.images.recipes import build_recipe
from shared.modalities import RecipeSpec
from training.data.bundle_manifest import COLUMNS, read_manifest
from training.data.dataset import Data
from training.data.images import load_pictures

SUBJECTS = 24
PICTURES = 3


def draw(subject: int, picture: int) -> np.ndarray:
    """uint8 (48, 64, 3): the subject's own coarse pattern, with a little noise of the picture."""
    pattern = np.random.default_rng(subject).integers(0, 256, (6, 8, 3)).astype(np.float32)
    noise = np.random.default_rng((subject, picture)).normal(0, 6, (48, 64, 3))
    return np.clip(cv2.resize(pattern, (64, 48)) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with manifest.csv and pictures of modality skin, all of them `split=train`."""
    root = tmp_path_factory.mktemp("bundle")
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for subject in range(SUBJECTS):
            for picture in range(PICTURES):
                path = f"{subject:02}-{picture}.png"
                cv2.imwrite(str(root / path), draw(subject, picture))
                writer.writerow(
                    {
                        "path": path,
                        "modality": "skin",
                        "source": "generated",
                        "subject": f"s{subject:02}",
                        "acquisition": f"picture {picture}",
                        "track": "skin-generated",
                        "split": "train",
                        "role": "train",
                    }
                )
    return root


@pytest.fixture(scope="session")
def data(bundle: Path) -> Data:
    """The pictures of its first twelve people, with a recipe that changes nothing but the size."""
    rows = [row for row in read_manifest(bundle) if row.subject < "s12"]
    return Data(rows, load_pictures(bundle, rows), build_recipe(RecipeSpec(size=224)), 0.2)
