"""The same networks on Keras with `model.predict`, as the prior work deploys them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import cycle
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.systems.peers.lite0 import efficientnet_lite0
from benchmarks.systems.peers.peer_pipeline import Network, Pipeline, gallery_of_environment, network_names
from benchmarks.systems.template_set import Templates
from deploy.local.state_folder import REPOSITORY
from shared.images.views import Image, standard_view
from shared.models.manifest import ModelManifest, read_manifest
from shared.models.protocols import NETWORK_SIZE, NetworkInput
from training.networks.backbones import build_backbone
from training.networks.layers import build_identifier

COMPA = "compa"


class KerasNetwork:
    """Implements `benchmarks.systems.peers.peer_pipeline.Network`."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.run(np.zeros((1, NETWORK_SIZE, NETWORK_SIZE, 3), np.uint8))  # traces the graph before the first request

    def run(self, images: NetworkInput) -> NDArray[np.float32]:
        """Return the output of `model.predict`."""
        return np.asarray(self._network.predict(images.astype(np.float32), verbose=0), np.float32)


class UntrainedPipeline(Pipeline):
    """A pipeline with random weights: COMPA runs, but the modalities alternate, as the pictures do."""

    def __init__(self, networks: Mapping[str, Network], gallery: Mapping[str, Templates]) -> None:
        super().__init__(networks, gallery)
        self._compa_network, self._turns = networks[COMPA], cycle(gallery)

    def classify(self, image: Image) -> str:
        """Return the next modality."""
        self._compa_network.run(standard_view(image)[np.newaxis])
        return next(self._turns)


def keras_pipeline() -> Pipeline:
    """Return the networks of trained runs. A missing one is replaced by one of the same shape with random weights."""
    gallery = gallery_of_environment()
    trained = {name: _trained(name) for name in network_names()}
    networks = {name: KerasNetwork(network or _untrained(name)) for name, network in trained.items()}
    return (Pipeline if trained[COMPA] else UntrainedPipeline)(networks, gallery)


def _trained(name: str) -> Any:
    """Return the network of the last run; None if there is none, or if its shape differs from the shipped one."""
    path = REPOSITORY / "runs" / name / "model.keras"
    network = keras.models.load_model(path, compile=False) if path.is_file() else None
    ships = read_manifest(REPOSITORY / f"{name}-service").output_size
    return network if network is not None and network.output_shape[-1] == ships else None


def _untrained(name: str) -> Any:
    sys.stderr.write(f"{name}: no trained run is at hand; random weights, which take as long\n")
    return build_network(read_manifest(REPOSITORY / f"{name}-service"))


def build_network(manifest: ModelManifest) -> Any:
    """Build a network as the manifest describes it, with random weights.

    The averages of early depths, which take next to no time, are left out.
    """
    trunk = _trunk(str(manifest.trunk))
    return _classifier(trunk, manifest.output_size) if manifest.kind == "classifier" else build_identifier(trunk)


def _classifier(trunk: Any, outputs: int) -> Any:
    """Build COMPA. Nearly all of its cost is the backbone."""
    x = keras.layers.GlobalAveragePooling2D()(trunk.output)
    x = keras.layers.Dense(512, activation="relu")(x)
    return keras.Model(trunk.input, keras.layers.Dense(outputs, activation="softmax")(x))


def _trunk(name: str) -> Any:
    """Build a backbone as `training.networks.backbones` does, also without the weights of EfficientNet-Lite0."""
    inputs = keras.Input((NETWORK_SIZE, NETWORK_SIZE, 3), name="rgb")
    parts = [
        efficientnet_lite0(NETWORK_SIZE) if part == "efficientnet_lite0" else build_backbone(part, NETWORK_SIZE, None)
        for part in name.split("+")
    ]
    maps = [part(inputs) for part in parts]
    return keras.Model(inputs, maps[0] if len(maps) == 1 else keras.layers.Concatenate()(maps), name="trunk")
