"""Finetuning with a tiny backbone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.configuration import FinetuneSettings, IdentifierConfiguration
from training.data.dataset import Dataset
from training.engine.checkpoints import LOG_FILE
from training.engine.discriminant_folds import FittedIdentifier
from training.engine.embedding import finetune_identifier
from training.engine.initialisation import start_network
from training.engine.validation import embedder

pytestmark = [
    pytest.mark.usefixtures("_tiny"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on NumPy 2
]


def configured(epochs: int) -> IdentifierConfiguration:
    settings = FinetuneSettings(epochs=epochs, steps=3, identities=4, learning_rate=0.05, hidden_units=16)
    return IdentifierConfiguration(kind="identifier", backbone="tiny", size=64, finetune=settings, validation_share=0.3)


def finetuned(data: Dataset, epochs: int, run: Path) -> FittedIdentifier:
    return finetune_identifier(data, configured(epochs), None, lambda part, e, cohort: part.scored(e, cohort), run)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def fitted(data: Dataset, run: Path) -> FittedIdentifier:
    return finetuned(data, 1, run)


def test_validation_subjects_are_scored_against_others(data: Dataset, fitted: FittedIdentifier) -> None:
    (track,) = fitted.tracks
    assert set(track.subjects) == {row.subject for row in data.validation}
    assert fitted.cohort_size == len(data.training)
    assert track.levels is not None


def test_the_head_starts_as_the_whitening_of_features(data: Dataset) -> None:
    network, _ = start_network(data, configured(1), None)
    images = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 3)).astype(np.float32)
    embeddings = embedder(network)(images)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-4)
    assert network.get_layer("dense").get_weights()[0].shape == (8, 16)


def test_a_finished_run_is_read_and_not_repeated(data: Dataset, fitted: FittedIdentifier, run: Path) -> None:
    log = (run / LOG_FILE).read_text()
    again = finetuned(data, 1, run)
    assert (run / LOG_FILE).read_text() == log
    for ours, theirs in zip(again.network.get_weights(), fitted.network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_interrupted_run_goes_on(data: Dataset, fitted: FittedIdentifier, run: Path) -> None:
    (run / "finished").unlink()
    finetuned(data, 2, run)
    assert [line.split(",")[0] for line in (run / LOG_FILE).read_text().splitlines()] == ["epoch", "0", "1"]
