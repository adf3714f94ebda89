from pathlib import Path

import keras
import pytest

from training.networks.backbones import MOBILENET_V2_FILE


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with (random) weights under the name of the real ones."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2((96, 96, 3), include_top=False, weights=None)
    network.save_weights(folder / MOBILENET_V2_FILE)
    return folder
