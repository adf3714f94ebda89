from pathlib import Path

import numpy as np
import pytest

from training.configuration import AugmentationConfig
from training.data.batches import IdentityBatches
from training.data.bundle_manifest import read_manifest
from training.data.images import load_pictures


@pytest.fixture
def batches(bundle: Path) -> IdentityBatches:
    rows = read_manifest(bundle)
    return IdentityBatches(
        rows,
        load_pictures(bundle, rows),
        lambda image: image,
        AugmentationConfig(),
        view=32,
        identities=6,
        images_per_identity=4,
        steps=5,
        seed=3,
    )


def test_a_batch_holds_p_identities_times_k_pictures(batches: IdentityBatches) -> None:
    images, labels = batches[0]
    assert images.shape == (24, 32, 32, 3)
    assert images.dtype == np.float32
    assert sorted(np.unique(labels, return_counts=True)[1]) == [4] * 6


def test_the_same_epoch_and_index_give_the_same_batch(batches: IdentityBatches) -> None:
    np.testing.assert_array_equal(batches[1][0], batches[1][0])


def test_the_next_epoch_draws_differently(batches: IdentityBatches) -> None:
    before = batches[0][0]
    batches.on_epoch_end()
    assert np.abs(before - batches[0][0]).mean() > 1
