"""The same networks on Keras, asked by `model.predict`, as the prior work deploys them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.lite0 import efficientnet_lite0
from benchmarks.peers.pipeline import REPOSITORY, Network, Pipeline, gallery_of_environment
from shared.models.contracts import NETWORK_SIZE, Pixels
from shared.models.folder import ModelManifest, read_manifest
from training.networks import build_classifier, build_identifier, mirror_symmetric
from training.trunks import build_trunk


class KerasNetwork:
    """Implements `benchmarks.peers.pipeline.Network`."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.run(np.zeros((1, NETWORK_SIZE, NETWORK_SIZE, 3), np.uint8))  # traces the graph before anybody waits for it

    def run(self, images: Pixels) -> NDArray[np.float32]:
        """What `model.predict` gives."""
        return np.asarray(self._network.predict(images.astype(np.float32), verbose=0), np.float32)


def keras_pipeline() -> Pipeline:
    """The networks of trained runs; where there is none of a model, one of the same shape with random weights."""
    gallery = gallery_of_environment()
    return Pipeline(keras_networks(list(gallery)), gallery)


def keras_networks(names: Sequence[str]) -> dict[str, Network]:
    """COMPA and the named modalities."""
    return {name: KerasNetwork(_network(name)) for name in ("compa", *names)}


def _network(name: str) -> Any:
    trained = REPOSITORY / "runs" / name / "model.keras"
    if trained.is_file():
        return keras.models.load_model(trained, compile=False)
    sys.stderr.write(f"{name}: no trained run is at hand; random weights, which take as long\n")
    return build_network(read_manifest(REPOSITORY / f"{name}-service"))


def build_network(manifest: ModelManifest) -> Any:
    """A network as the manifest describes it, with random weights."""
    settings = manifest.training["configuration"]
    trunk = _trunk(str(settings["trunk"]))
    if manifest.kind == "classifier":
        return build_classifier(trunk, manifest.output_size, dense=int(settings["dense"]))
    network = build_identifier(trunk, dense=int(settings["dense"]), exponent=float(settings["exponent"]))
    return mirror_symmetric(network) if settings.get("mirrored") else network


def _trunk(name: str) -> Any:
    """As `training.trunks`, which cannot build EfficientNet-Lite0 without its file of weights."""
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), name="rgb")
    parts = [
        efficientnet_lite0(NETWORK_SIZE) if part == "efficientnet_lite0" else build_trunk(part, NETWORK_SIZE, None)
        for part in name.split("+")
    ]
    maps = [part(inputs) for part in parts]
    return keras.Model(inputs, maps[0] if len(maps) == 1 else keras.layers.Concatenate()(maps), name="trunk")
