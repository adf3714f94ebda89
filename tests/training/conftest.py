"""A tiny bundle of generated images: people whose images differ by a pattern of their own; and a tiny backbone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared.images.recipes import build_recipe
from shared.modalities import RecipeSpec
from training.data.bundle_manifest import COLUMNS, read_manifest
from training.data.dataset import Dataset, dataset_of
from training.data.images import load_pictures

SUBJECTS = 24
PICTURES = 3


def draw(subject: int, picture: int) -> np.ndarray:
    """uint8 (48, 64, 3): the subject's own coarse pattern, with a little noise of the image."""
    pattern = np.random.default_rng(subject).integers(0, 256, (6, 8, 3)).astype(np.float32)
    noise = np.random.default_rng((subject, picture)).normal(0, 6, (48, 64, 3))
    return np.clip(cv2.resize(pattern, (64, 48)) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with manifest.csv and images of modality skin, all of them `split=train`."""
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
def data(bundle: Path) -> Dataset:
    """The images of its first twelve people, with a recipe that changes nothing but the size."""
    rows = [row for row in read_manifest(bundle) if row.subject < "s12"]
    return dataset_of(rows, load_pictures(bundle, rows), build_recipe(RecipeSpec(size=224)), 0.3)


def tiny_network(size: int | None, _: Path | None) -> Any:
    """A backbone of two resolutions, with 6 and 8 channels of bounded activations, and a narrow map of 4."""
    import keras  # noqa: PLC0415

    inputs = keras.Input((size, size, 3))
    fine = keras.layers.ReLU(6.0)(keras.layers.Conv2D(6, 5, strides=8, padding="same")(inputs))
    narrow = keras.layers.Conv2D(4, 1, name="narrow")(fine)
    coarse = keras.layers.ReLU(6.0)(keras.layers.Conv2D(8, 3, strides=2, padding="same")(narrow))
    network = keras.Model(inputs, coarse, name="tiny")
    pixels = keras.Input((size, size, 3))
    return keras.Model(pixels, network(keras.layers.Rescaling(1 / 127.5, -1.0)(pixels)), name="tiny_scaled")


@pytest.fixture(scope="session")
def _tiny() -> Iterator[None]:
    """Register the backbone `tiny`."""
    from training.networks import backbones  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.BACKBONES, "tiny", tiny_network)
        patch.setitem(backbones.BOTTLENECKS, "tiny", ("narrow",))
        yield
