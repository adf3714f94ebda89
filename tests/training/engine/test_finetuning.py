from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from tests.training.engine.test_initialisation import CONFIGURATION, tiny_trunk
from training.data.dataset import Data
from training.engine.configuration import IdentifierConfiguration, TuningConfiguration
from training.engine.discriminant_folds import FOLDS, Everybody, fit_discriminant
from training.engine.finetuning import TRUNK_FILE, tune
from training.engine.initialisation import build_network, set_discriminant, shown_features
from training.networks import backbones

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2

TUNING = TuningConfiguration(epochs=2, steps=3, identities=4, virtual=1, learning_rate=0.3)


def tuned_by(tuning: TuningConfiguration) -> IdentifierConfiguration:
    return CONFIGURATION.model_copy(update={"tuning": tuning})


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.TRUNKS, "tiny", tiny_trunk)
        yield


@pytest.fixture
def everybody(data: Data) -> Everybody:
    return Everybody(data.rows, data.pictures, data.recipe, data.validation_share)


def fresh(everybody: Data) -> tuple[keras.Model, keras.Model]:
    """A network behind a discriminant, always the same."""
    keras.utils.set_random_seed(1)
    network, trunk = build_network(CONFIGURATION, None, None)
    set_discriminant(network, trunk, shown_features(trunk, everybody, CONFIGURATION), CONFIGURATION)
    return network, trunk


def test_the_trunk_learns(everybody: Everybody, tmp_path: Path) -> None:
    network, trunk = fresh(everybody)
    start = trunk.get_weights()
    tune(network, trunk, everybody, tuned_by(TUNING), tmp_path)
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(start, trunk.get_weights(), strict=True) if a.ndim > 1)


def test_so_much_of_the_way_is_kept_as_was_asked_for(everybody: Everybody, tmp_path: Path) -> None:
    ends = []
    for kept in (1.0, 0.25):
        network, trunk = fresh(everybody)
        start = trunk.get_weights()
        tune(network, trunk, everybody, tuned_by(TUNING.model_copy(update={"kept": kept})), tmp_path / str(kept))
        ends.append(trunk.get_weights())
    for first, whole, part in zip(start, *ends, strict=True):
        assert_allclose(part, first + 0.25 * (whole - first), atol=1e-4)


def test_what_has_been_tuned_is_read(everybody: Everybody, tmp_path: Path) -> None:
    network, trunk = fresh(everybody)
    tune(network, trunk, everybody, tuned_by(TUNING), tmp_path)
    learned, log = trunk.get_weights(), (tmp_path / "log.csv").read_text()
    network, trunk = fresh(everybody)
    tune(network, trunk, everybody, tuned_by(TUNING), tmp_path)
    assert (tmp_path / "log.csv").read_text() == log
    for a, b in zip(learned, trunk.get_weights(), strict=True):
        assert_array_equal(a, b)


def test_a_tuning_that_was_cut_off_goes_on(everybody: Everybody, tmp_path: Path) -> None:
    network, trunk = fresh(everybody)
    tune(network, trunk, everybody, tuned_by(TUNING.model_copy(update={"epochs": 1})), tmp_path)
    (tmp_path / TRUNK_FILE).unlink()
    tune(*fresh(everybody), everybody, tuned_by(TUNING), tmp_path)
    assert [line.split(",")[0] for line in (tmp_path / "log.csv").read_text().splitlines()] == ["epoch", "0", "1"]


def test_every_fold_has_a_trunk_of_its_own(data: Data, tmp_path: Path) -> None:
    fit_discriminant(
        data, tuned_by(TUNING), None, lambda part, embeddings, cohort: part.scored(embeddings, cohort), tmp_path
    )
    outcomes = {path.parent.name: path.read_bytes() for path in tmp_path.rglob(TRUNK_FILE)}
    assert set(outcomes) == {"everybody", *(f"fold {number + 1} of {FOLDS}" for number in range(FOLDS))}
    assert len(set(outcomes.values())) == FOLDS + 1


def test_a_trunk_that_is_trained_or_in_integers_is_not_tuned() -> None:
    for other in ({"epochs": 3}, {"int8": ("tiny",), "size": 224}):
        with pytest.raises(ValidationError, match="set epochs = 0"):
            IdentifierConfiguration.model_validate(CONFIGURATION.model_dump() | {"tuning": {}} | other)
