from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from shared.images.recipes import build_recipe
from shared.images.views import network_view
from shared.modalities import load_registry
from shared.models.golden import golden_image
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import COHORT_FILE, read_manifest
from tests.training.conftest import PICTURES, SUBJECTS
from training.data.bundle_manifest import read_manifest as read_rows
from training.data.images import CACHE_SIDE, load_pictures
from training.engine.configuration import IdentifierConfiguration
from training.engine.run import Bundle, identified_rows, train_modality
from training.networks.backbones import MOBILENET_V2_FILE

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on NumPy 2
    pytest.mark.timeout(300),  # several networks are built
]


def from_sources(*sources: str) -> IdentifierConfiguration:
    return IdentifierConfiguration(kind="identifier", trunk="mobilenet_v2", sources=sources)


def test_sources_that_leave_nobody_are_named(bundle: Path) -> None:
    data = Bundle(bundle, read_rows(bundle), None)
    assert identified_rows("skin", data, from_sources("generated", "elsewhere"))
    with pytest.raises(ValueError, match=f"names elsewhere, other, and fewer than four of the {SUBJECTS} subjects"):
        identified_rows("skin", data, from_sources("elsewhere", "other"))


def test_sources_are_not_blamed_where_there_are_too_few_people_anyway(bundle: Path) -> None:
    few = Bundle(bundle, [row for row in read_rows(bundle) if row.subject < "s03"], None)
    with pytest.raises(ValueError, match="the manifest has fewer than four subjects with modality skin"):
        identified_rows("skin", few, from_sources("elsewhere"))


def random_trunk() -> keras.Model:
    """A network whose numbers are as large as those of a trained one: normalised by a batch of noise."""
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2((224, 224, 3), include_top=False, weights=None)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(np.random.default_rng(0).uniform(-1, 1, (4, 224, 224, 3)).astype(np.float32), training=True)
    return network


@pytest.fixture(scope="module")
def trained(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of skin whose trunk stayed as it is, read at every depth and in a grid."""
    root = tmp_path_factory.mktemp("trained")
    network = random_trunk()
    network.save_weights(root / MOBILENET_V2_FILE)
    configuration = IdentifierConfiguration(
        kind="identifier", trunk="mobilenet_v2", epochs=0, depths=True, grid=True, copies=0.5
    )
    (root / "run").mkdir()
    train_modality("skin", Bundle(bundle, read_rows(bundle), root), configuration, root / "skin", root / "run")
    return root / "skin"


def test_training_writes_the_strict_threshold_beside_the_calibration(trained: Path) -> None:
    manifest = read_manifest(trained)
    assert manifest.calibration is not None
    assert manifest.operating_points is not None
    assert 0 < manifest.operating_points.strict <= 1
    assert manifest.operating_points.strict_origin.startswith(f"{SUBJECTS * (PICTURES - 1)} validation strangers")


def test_the_exported_network_gives_the_golden_embedding(trained: Path) -> None:
    golden = read_manifest(trained).golden
    answer = LiteRTSession(trained).run(golden_image())[0]
    np.testing.assert_allclose(np.linalg.norm(answer), 1.0, atol=1e-3)
    assert float(np.dot(answer, golden.output)) >= golden.minimum_cosine


def test_the_cohort_is_what_the_exported_network_says(trained: Path, bundle: Path) -> None:
    rows = Bundle(bundle, read_rows(bundle), None).training_rows("skin")
    pictures, recipe = load_pictures(bundle, rows, CACHE_SIDE), build_recipe(load_registry()["skin"].recipe)
    session = LiteRTSession(trained)
    said = np.stack([session.run(network_view(recipe(picture)[np.newaxis]))[0] for picture in pictures.values()])
    cohort = np.load(trained / COHORT_FILE).astype(np.float32)
    distances = np.abs(cohort[:, np.newaxis] - said).max(axis=2).min(axis=1)
    assert distances.max() < 1e-3
