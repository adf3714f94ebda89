from pathlib import Path

import numpy as np
import pytest

from experiments.comparison.candidates import SIZE
from experiments.comparison.material import Budget, Material, prepare
from training.data.bundle_manifest import read_manifest
from training.data.dataset import Bundle

BUDGET = Budget(steps=2, pictures=12)


@pytest.fixture(scope="module")
def skin(bundle: Path, repository: Path) -> Material:
    return prepare("skin", Bundle(bundle, read_manifest(bundle), None), repository / "skin-service", BUDGET)


def test_every_candidate_finds_the_same_augmented_batches(skin: Material, bundle: Path, repository: Path) -> None:
    again = prepare("skin", Bundle(bundle, read_manifest(bundle), None), repository / "skin-service", BUDGET)
    assert skin.batches.shape == (2, 12, SIZE, SIZE, 3)
    np.testing.assert_array_equal(skin.batches, again.batches)
    np.testing.assert_array_equal(skin.labels, again.labels)


def test_every_identity_has_pictures_to_start_from(skin: Material) -> None:
    assert sorted(np.bincount(skin.start_labels, minlength=skin.classes)) == [2] * skin.classes
    assert len(skin.start) == len(skin.start_labels)


def test_validation_subjects_are_not_trained_on(skin: Material, bundle: Path) -> None:
    asked = {row.subject for protocol in skin.validation.protocols for row in (*protocol.gallery, *protocol.queries)}
    assert len(asked) + skin.classes == len({row.subject for row in read_manifest(bundle)})


def test_a_classifier_is_no_modality(bundle: Path, repository: Path) -> None:
    with pytest.raises(ValueError, match="Name a modality"):
        prepare("compa", Bundle(bundle, read_manifest(bundle), None), repository / "compa-service", BUDGET)
