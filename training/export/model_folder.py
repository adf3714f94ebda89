"""The model folder that ships: `model.tflite`, `cohort.npy`, `model.json` and `CARD.md`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from shared.models.golden import golden_image
from shared.models.manifest import MANIFEST_FILE, MODEL_FILE, Golden, ModelManifest, file_digest
from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.configuration import Configuration
from training.data.bundle_manifest import Row
from training.data.dataset import COMPA
from training.export.model_card import CARD_FILE, card
from training.networks.int8 import Int8Parts, convert_litert
from training.networks.layers import PixelsToFloat

KERAS_FILE = "model.keras"
"""The trained network in the folder of its run."""


@dataclass(frozen=True)
class TrainedModel:
    """A trained network for uint8 (n, 224, 224, 3), and the contents of its folder.

    `predict` gives the outputs of the network as exported. `described` returns further members of the manifest, given
    the folder with the exported network. `int8` is the part to export in int8.
    """

    name: str
    network: keras.Model
    configuration: Configuration
    rows: Sequence[Row]
    figures: Mapping[str, float | str]
    described: Callable[[Path], Mapping[str, Any]]
    predict: Callable[[NetworkInput], NDArray[np.float32]]
    int8: Int8Parts | None = None


def at_network_size(network: keras.Model, rebuilt: keras.Model) -> keras.Model:
    """Return `rebuilt`, the same network for 224 x 224 images, with the weights of `network`; it takes uint8."""
    rebuilt.set_weights(network.get_weights())
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), dtype="uint8", name="images")
    return keras.Model(inputs, rebuilt(PixelsToFloat()(inputs)), name=network.name)


def ship(trained: TrainedModel, folder: Path, run: Path) -> ModelManifest:
    """Write the model folder, and the Keras network into the folder of the run.

    All files are written beside the old ones first. These are replaced at the end, so an error leaves them as they are.
    """
    trained.network.save(run / KERAS_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
        written = Path(name)
        manifest = _write(trained, written)
        for path in sorted(written.iterdir(), key=lambda path: path.name == MANIFEST_FILE):  # the manifest last
            path.replace(folder / path.name)
    return manifest


def _write(trained: TrainedModel, folder: Path) -> ModelManifest:
    path = export_litert(trained.network, folder, float16=trained.configuration.float16, int8=trained.int8)
    configuration = trained.configuration.model_dump(mode="json")
    manifest = ModelManifest(
        kind="classifier" if trained.name == COMPA else "identifier",
        name=trained.name,
        digest=file_digest(path),
        output_size=trained.network.output_shape[-1],
        trunk=trained.configuration.backbone,
        golden=_golden(trained.predict),
        training={"seed": configuration["seed"], "configuration": configuration, "validation": dict(trained.figures)},
        **trained.described(folder),
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    text = card(manifest, (folder / MODEL_FILE).stat().st_size, trained.rows, trained.figures)
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    return manifest


def export_litert(network: keras.Model, folder: Path, *, float16: bool, int8: Int8Parts | None = None) -> Path:
    """Write `model.tflite` and return its path."""
    path = folder / MODEL_FILE
    path.write_bytes(convert_litert(network, float16=float16, int8=int8))
    return path


def _golden(predict: Callable[[NetworkInput], NDArray[np.floating]]) -> Golden:
    """Return the trained network's output for the golden image, which the exported one must reproduce."""
    output = np.asarray(predict(golden_image()), np.float32)[0]
    return Golden(output=tuple(round(float(value), 6) for value in output))
