from pathlib import Path

import numpy as np
import pytest

from experiments.permuted_identities import Head, Labelled, labelled, main
from training.data.bundle_manifest import read_manifest
from training.evaluation.baselines import FrozenFeatures

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2

PEOPLE, PICTURES = 40, 4


@pytest.fixture(scope="module")
def data() -> Labelled:
    """People whose features lie around a centre of their own."""
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 1, (PEOPLE, 1, 24))
    features = (centres + rng.normal(0, 0.3, (PEOPLE, PICTURES + 1, 24))).astype(np.float32)
    labels = np.repeat(np.arange(PEOPLE, dtype=np.int32), PICTURES)
    return Labelled(features[:, 1:].reshape(-1, 24), labels, features[:, 0], np.arange(PEOPLE, dtype=np.int32))


@pytest.fixture(scope="module")
def head(data: Labelled) -> Head:
    return Head(data, seed=0, epochs=15)


def test_shuffling_gives_the_same_labels_to_other_pictures(data: Labelled) -> None:
    dealt = data.shuffled(0)
    assert not np.array_equal(dealt.labels, data.labels)
    assert sorted(dealt.labels.tolist()) == sorted(data.labels.tolist())
    assert sorted(dealt.held_out_labels.tolist()) == list(range(PEOPLE))
    np.testing.assert_array_equal(dealt.features, data.features)


def test_true_identities_are_learned(data: Labelled, head: Head) -> None:
    assert head.recognises(data).found > 0.8 * PEOPLE


def test_shuffled_identities_leave_chance(data: Labelled) -> None:
    dealt = data.shuffled(0)
    shuffled = Head(dealt, seed=0, epochs=15).recognises(dealt)
    assert shuffled.passed
    assert shuffled.chance == 1 / PEOPLE


def test_a_head_projects_to_unit_length(data: Labelled, head: Head) -> None:
    embedded = head.embed(data.held_out)
    assert embedded.shape == (PEOPLE, 256)
    np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1.0, atol=1e-5)


def test_one_picture_of_everybody_is_held_out(bundle: Path, weights: Path) -> None:
    rows = [row for row in read_manifest(bundle) if row.split == "train"]
    frozen = FrozenFeatures("mobilenet_v2", weights, bundle)
    everybody = labelled(frozen, rows, 100, 0)
    assert (everybody.identities, len(everybody.features)) == (12, 12)
    assert labelled(frozen, rows, 8, 0).identities == 4
    with pytest.raises(ValueError, match="two people with two training pictures"):
        labelled(frozen, rows, 2, 0)


def test_the_command_prints_both_heads_and_chance(
    bundle: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--modality", "skin", "--data", str(bundle), "--weights", str(weights), "--epochs", "3"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "| held-out pictures of the 12 training people |" in printed
    assert "| skin-generated (test, separate acquisitions) |" in printed
    assert "| 16.67 |" in printed
    assert "at chance" in printed


def test_missing_data_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--modality", "skin", "--data", str(tmp_path)]) == 2
    assert "has no manifest.csv" in capsys.readouterr().err
