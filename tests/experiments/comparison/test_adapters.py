import keras
import numpy as np
import pytest
from keras import ops

from experiments.comparison.adapters import ADAPTED, BasisAdapter, modulated
from training.networks.backbones import build_trunk

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


def test_an_adapter_mixes_low_rank_changes_of_the_kernel() -> None:
    rng = np.random.default_rng(1)
    features, mixture = rng.normal(size=(2, 3, 3, 5)), np.array([[0.25, 0.75], [1.0, 0.0]])
    adapter = BasisAdapter(bases=2, rank=3, channels=4)
    adapter.build((None, 3, 3, 5), (None, 2))
    down, up = rng.normal(size=(5, 6)).astype(np.float32), rng.normal(size=(6, 4)).astype(np.float32)
    adapter.set_weights([down, up])
    kernels = [down[:, :3] @ up[:3], down[:, 3:] @ up[3:]]
    expected = np.stack(
        [
            image @ (weights[0] * kernels[0] + weights[1] * kernels[1])
            for image, weights in zip(features, mixture, strict=True)
        ]
    )
    changed = ops.convert_to_numpy(adapter(features.astype(np.float32), mixture.astype(np.float32)))
    np.testing.assert_allclose(changed, expected, atol=1e-4)


@pytest.fixture(scope="module")
def trunk() -> keras.Model:
    return build_trunk("mobilenet_v2", 64, None)


def test_a_modulated_trunk_begins_as_the_trunk_and_shares_its_weights(trunk: keras.Model) -> None:
    adapted = modulated(trunk, bases=3)
    np.testing.assert_allclose(adapted.predict_on_batch(PICTURES), trunk.predict_on_batch(PICTURES), atol=1e-5)
    own = {id(variable) for variable in trunk.trainable_variables}
    added = [variable for variable in adapted.trainable_variables if id(variable) not in own]
    assert len(added) == 2 * len(ADAPTED) + 2
    assert len(adapted.trainable_variables) == len(own) + len(added)


def test_the_mixture_of_every_picture_sums_to_one(trunk: keras.Model) -> None:
    adapted = modulated(trunk, bases=3)
    inner = next(layer for layer in adapted._flatten_layers() if layer.name == "mixture")
    weights = ops.convert_to_numpy(inner(np.random.default_rng(0).normal(size=(4, 24)).astype(np.float32)))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)
