from __future__ import annotations

from pathlib import Path

import keras
import pytest

from shared.models.folder import read_manifest
from tests.training.conftest import PICTURES, SUBJECTS
from training.configuration import IdentifierConfiguration
from training.datasets.manifest import read_manifest as read_rows
from training.runs import Bundle, train_modality
from training.trunks import MOBILENET_V2_FILE

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on NumPy 2
    pytest.mark.timeout(300),  # several networks are built
]


def test_training_writes_the_strict_threshold_beside_the_calibration(bundle: Path, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2((224, 224, 3), include_top=False, weights=None)
    network.save_weights(tmp_path / MOBILENET_V2_FILE)
    configuration = IdentifierConfiguration(kind="identifier", trunk="mobilenet_v2", size=64, epochs=0)
    (tmp_path / "run").mkdir()
    train_modality(
        "skin", Bundle(bundle, read_rows(bundle), tmp_path), configuration, tmp_path / "skin", tmp_path / "run"
    )
    manifest = read_manifest(tmp_path / "skin")
    assert manifest.calibration is not None
    assert manifest.operating_points is not None
    assert 0 < manifest.operating_points.strict <= 1
    assert manifest.operating_points.strict_origin.startswith(f"{SUBJECTS * (PICTURES - 1)} validation strangers")
