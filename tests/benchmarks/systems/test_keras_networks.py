"""The stand-ins of the Keras peers without trained networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.systems.peers.keras_networks import KerasNetwork, build_network
from benchmarks.systems.peers.lite0 import efficientnet_lite0
from shared.modalities import load_registry
from shared.models.manifest import read_manifest
from shared.models.protocols import NETWORK_SIZE

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["compa", load_registry().names[0]])
def test_untrained_networks_have_the_shipped_outputs(name: str) -> None:
    manifest = read_manifest(REPOSITORY / f"{name}-service")
    answer = KerasNetwork(build_network(manifest)).run(np.zeros((1, NETWORK_SIZE, NETWORK_SIZE, 3), np.uint8))
    assert answer.shape == (1, manifest.output_size)


def test_lite0_is_as_large_as_the_original() -> None:
    network = efficientnet_lite0(NETWORK_SIZE)
    assert network.output_shape == (None, 7, 7, 1280)
    assert network.count_params() == pytest.approx(3.41e6, rel=0.01)  # without the classifier's 1.28 million
