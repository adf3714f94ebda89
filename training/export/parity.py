"""`python -m training.export.parity --data BUNDLE`: compare exported models with the Keras models they came from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from shared.images.decoding import decode_image
from shared.images.recipes import build_recipe
from shared.images.views import standard_view
from shared.modalities import load_registry
from shared.models.litert_session import LiteRTSession
from training.data.bundle_manifest import read_manifest
from training.data.dataset import COMPA
from training.export.model_folder import KERAS_FILE  # importing it registers the layers of saved networks

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Parity:
    """Agreement of two models."""

    images: int
    smallest_cosine: float
    same_top1: float


def compare(name: str, probes: Sequence[Path], gallery: Mapping[Path, str], keras_folder: Path, folder: Path) -> Parity:
    """Compare both models on the probes. Top-1 is COMPA's label, or the patient of the nearest other gallery image.

    `gallery` gives the patient of every enrolled image.
    """
    registry = load_registry()
    prepare = build_recipe(registry[name].recipe) if name in registry.names else standard_view
    session = LiteRTSession(folder)
    network = keras.models.load_model(keras_folder / KERAS_FILE, compile=False)

    def answers(paths: Sequence[Path]) -> list[NDArray[np.float32]]:
        views = np.stack([standard_view(prepare(decode_image(path.read_bytes()).pixels)) for path in paths])
        return [session.run(views), np.asarray(network.predict_on_batch(views), np.float32)]

    ours, theirs = answers(probes)
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    labels = len(registry.names) + 1  # sub-types follow
    tops = [answer[:, :labels].argmax(axis=1) for answer in (ours, theirs)]
    if name in registry.names:
        itself = np.array([[probe == other for other in gallery] for probe in probes])
        owner = np.array(list(gallery.values()))
        enrolled = answers(list(gallery))
        tops = [owner[(a @ b.T - 2 * itself).argmax(axis=1)] for a, b in zip((ours, theirs), enrolled, strict=True)]
    return Parity(len(probes), float(cosines.min()), float(np.mean(tops[0] == tops[1])))


def main(arguments: list[str] | None = None) -> None:
    """Print one line for each model."""
    parser = argparse.ArgumentParser(prog="python -m training.export.parity", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the images")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs", help="folder of the training runs")
    parser.add_argument("--images", type=int, default=200, help="probes of each model")
    options = parser.parse_args(arguments)
    rows = [row for row in read_manifest(options.data) if row.split == "test"]
    for name in (COMPA, *load_registry().names):
        own = sorted({row.path for row in rows if name in {row.modality, COMPA}})
        drawn = np.random.default_rng(0).permutation(own)[: options.images]
        enrolled = {options.data / r.path: r.subject for r in rows if r.modality == name and r.role == "gallery"}
        parity = compare(
            name,
            [options.data / str(path) for path in drawn],
            enrolled,
            options.runs / name,
            REPOSITORY / f"{name}-service",
        )
        print(  # noqa: T201
            f"{name}: {parity.images} images, smallest cosine {parity.smallest_cosine:.5f},"
            f" same top-1 {parity.same_top1:.1%}"
        )


if __name__ == "__main__":
    main()
