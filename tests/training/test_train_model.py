"""From a bundle to a model folder, with a tiny backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.images.recipes import build_recipe
from shared.images.views import network_view
from shared.modalities import load_registry
from shared.models.golden import golden_image
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import COHORT_FILE, MANIFEST_FILE, read_manifest
from tests.training.conftest import PICTURES, SUBJECTS
from training.__main__ import main
from training.configuration import CONFIGURATION_FILE, ClassifierConfiguration
from training.data import labelled_images
from training.data.bundle_manifest import read_manifest as read_rows
from training.data.dataset import Bundle
from training.data.images import CACHE_SIDE, load_pictures
from training.train_model import train_compa

pytestmark = [
    pytest.mark.usefixtures("_tiny"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on NumPy 2
]

FROZEN = 'kind = "identifier"\nbackbone = "tiny"\n[discriminant]\ngrid = true\naugmented_copies = 0.5\n'
FINETUNED = 'kind = "identifier"\nbackbone = "tiny"\nsize = 64\nfloat16 = false\n[finetune]\nepochs = 1\nsteps = 2\n'


def train(bundle: Path, folder: Path, configuration: str, *options: str) -> int:
    folder.mkdir(exist_ok=True)
    (folder / CONFIGURATION_FILE).write_text(configuration)
    arguments = [
        "--modality",
        "skin",
        "--data",
        str(bundle),
        "--out",
        str(folder),
        "--runs",
        str(folder.parent / "runs"),
    ]
    return main([*arguments, *options])


@pytest.fixture(scope="module", params=[FROZEN, FINETUNED], ids=["frozen", "finetuned"])
def trained(
    request: pytest.FixtureRequest, bundle: Path, tmp_path_factory: pytest.TempPathFactory, _tiny: None
) -> Path:
    """A model of skin."""
    folder = tmp_path_factory.mktemp("trained") / "skin"
    assert train(bundle, folder, request.param) == 0
    return folder


def test_the_folder_holds_what_a_service_needs_and_no_more(trained: Path) -> None:
    names = {"CARD.md", "cohort.npy", "model.json", "model.tflite", CONFIGURATION_FILE}
    assert {path.name for path in trained.iterdir()} == names


def test_the_strict_threshold_lies_beside_the_calibration(trained: Path) -> None:
    manifest = read_manifest(trained)
    assert manifest.calibration is not None
    assert manifest.operating_points is not None
    assert 0 < manifest.operating_points.strict <= 1
    if manifest.training["configuration"]["discriminant"]:  # every subject validates, by folds
        origin = manifest.operating_points.strict_origin
        assert origin.startswith(f"{SUBJECTS * (PICTURES - 1)} validation strangers")


def test_the_exported_network_gives_the_golden_embedding(trained: Path) -> None:
    golden = read_manifest(trained).golden
    answer = LiteRTSession(trained).run(golden_image())[0]
    np.testing.assert_allclose(np.linalg.norm(answer), 1.0, atol=1e-3)
    assert float(np.dot(answer, golden.output)) >= golden.minimum_cosine


def test_the_cohort_is_embedded_by_the_exported_network(trained: Path, bundle: Path) -> None:
    rows = Bundle(bundle, read_rows(bundle), None).training_rows("skin")
    pictures, recipe = load_pictures(bundle, rows, CACHE_SIDE), build_recipe(load_registry()["skin"].recipe)
    session = LiteRTSession(trained)
    said = np.stack([session.run(network_view(recipe(picture)[np.newaxis]))[0] for picture in pictures.values()])
    cohort = np.load(trained / COHORT_FILE).astype(np.float32)
    distances = np.abs(cohort[:, np.newaxis] - said).max(axis=2).min(axis=1)
    assert distances.max() < 1e-3


def refused(bundle: Path, folder: Path, configuration: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a refusal, which leaves the model untouched."""
    folder.mkdir()
    (folder / MANIFEST_FILE).write_text("shipped")
    assert train(bundle, folder, configuration) == 2
    assert {path.name for path in folder.iterdir()} == {MANIFEST_FILE, CONFIGURATION_FILE}
    assert (folder / MANIFEST_FILE).read_text() == "shipped"
    return capsys.readouterr().err


def test_without_imagenet_weights_training_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(bundle, tmp_path / "skin", FROZEN.replace("tiny", "mobilenet_v2"), capsys)
    assert "mobilenet_v2_1.0_224_imagenet_notop.weights.h5" in error
    assert "a folder `weights` beside the data folder" in error
    assert "--random-weights" in error


def test_sources_that_leave_too_few_people_are_named(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(bundle, tmp_path / "skin", f'sources = ["elsewhere"]\n{FROZEN}', capsys)
    assert f"names elsewhere. Only 0 of the {SUBJECTS} people" in error


def test_an_error_while_shipping_leaves_the_model_untouched(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "skin"
    folder.mkdir()
    (folder / MANIFEST_FILE).write_text("shipped")

    def fails(_: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("training.train_model.LiteRTSession", fails)
    with pytest.raises(OSError, match="no space"):
        train(bundle, folder, FROZEN, "--random-weights")
    assert {path.name for path in folder.iterdir()} == {MANIFEST_FILE, CONFIGURATION_FILE}


def test_an_interrupted_training_is_a_sentence(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.__main__.train_identifier", interrupted)
    assert train(bundle, tmp_path / "skin", FROZEN, "--random-weights") == 130
    assert "the same command continues" in capsys.readouterr().err


def test_compa_is_trained_from_rows_and_other_images(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, names = read_rows(bundle), load_registry().names
    kinds = (*names, "cats")
    relabelled = [replace(row, modality=kinds[i // PICTURES % len(kinds)]) for i, row in enumerate(rows)]
    monkeypatch.setattr(labelled_images, "load_collections", dict)
    monkeypatch.setattr(labelled_images, "VALIDATION_PER_FAMILY", 1)
    monkeypatch.setattr("training.engine.classifier.CALIBRATION_IMAGES", 12)
    configuration = ClassifierConfiguration(
        kind="classifier",
        backbone="tiny",
        size=64,
        int8_layers=("tiny",),
        training_images=30,
        epochs=1,
        hidden_units=4,
        validation_share=0.5,
        validation_corruptions=0,
        subtypes={"ct": {"first": "picture 0", "others": "picture"}},
    )
    (tmp_path / "run").mkdir()
    manifest = train_compa(Bundle(bundle, relabelled, None), configuration, tmp_path / "compa", tmp_path / "run")
    assert manifest.labels == (*names, "other")
    assert manifest.output_size == len(names) + 1 + 2
    assert manifest.rejection is not None
    answer = LiteRTSession(tmp_path / "compa").run(golden_image())[0]
    np.testing.assert_allclose(answer, manifest.golden.output, atol=0.05)
