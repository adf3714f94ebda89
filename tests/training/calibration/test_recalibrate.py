from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from shared.identification.cohort import read_cohort
from shared.images.recipes import build_recipe
from shared.images.views import network_view
from shared.keypoints.verification import LocalVerifier
from shared.modalities import load_registry
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import COHORT_FILE, MANIFEST_FILE, MODEL_FILE, ModelManifest, read_manifest
from tests.training.conftest import PICTURES, SUBJECTS
from training.calibration.recalibrate import main, recalibrate
from training.calibration.strict_threshold import ENOUGH
from training.data.bundle_manifest import read_manifest as read_rows
from training.data.images import CACHE_SIDE, load_pictures
from training.data.splits import is_validation
from training.engine.configuration import CONFIGURATION_FILE, read_configuration
from training.engine.run import Bundle, calibrate, embedder_of
from training.engine.validation import Scored, ValidationSet
from training.networks.backbones import MOBILENET_V2_FILE

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on NumPy 2
    pytest.mark.timeout(300),  # several networks are built
]

TRAINED = 'kind = "identifier"\ntrunk = "mobilenet_v2"\nsize = 64\n'
FROZEN = f"{TRAINED}epochs = 0\ndepths = true\n"


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    """The shipped model of skin, as if its trunk had been trained and nobody had chosen a threshold yet."""
    copy = Path(shutil.copytree(repository / "skin-service", tmp_path / "skin-service"))
    (copy / CONFIGURATION_FILE).write_text(TRAINED)
    write(copy, read_manifest(copy).model_copy(update={"operating_points": None}))
    return copy


def write(folder: Path, manifest: ModelManifest) -> None:
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())


def freeze(folder: Path) -> None:
    """As if the trunk had stayed as it is, at a size that tests can wait for."""
    (folder / CONFIGURATION_FILE).write_text(FROZEN)


@pytest.fixture
def data(bundle: Path) -> Bundle:
    return Bundle(bundle, read_rows(bundle), None)


def strangers(manifest: ModelManifest) -> int:
    assert manifest.operating_points is not None
    return int(manifest.operating_points.strict_origin.split()[0])


def test_the_strict_threshold_comes_with_the_calibration(folder: Path, data: Bundle) -> None:
    before = read_manifest(folder)
    recalibrate(folder, data, folder)
    after = read_manifest(folder)
    assert after.strict_threshold is not None
    assert 0 < after.strict_threshold <= 1
    assert after.calibration != before.calibration
    assert (after.digest, after.golden) == (before.digest, before.golden)


def test_the_manifest_says_by_what_it_has_been_calibrated_and_how_it_was_trained(folder: Path, data: Bundle) -> None:
    before = read_manifest(folder).training
    (folder / CONFIGURATION_FILE).write_text(f"{TRAINED}epochs = 3\nshown = true\nsingles = false\n")
    after = recalibrate(folder, data, folder).training
    others = {"bounded": False, "cautious": False, "neighbours": False, "repeats": False}
    fitted = {"shown": True, "singles": False} | others
    configuration = before["configuration"] | fitted | {"cohort_sources": []}
    asked = {
        row.subject for row in data.rows if is_validation(row.subject, before["configuration"]["validation_share"])
    }
    calibrated = {"unseen": False, "subjects": len(asked)}
    assert after == before | {"configuration": configuration, "calibrated": calibrated}


def test_cosines_have_a_limit_where_the_configuration_asks_for_it(folder: Path, data: Bundle) -> None:
    (folder / CONFIGURATION_FILE).write_text(f"{TRAINED}bounded = true\n")
    calibration = recalibrate(folder, data, folder).calibration
    assert calibration is not None
    assert calibration.similarity_limit is not None


def test_the_cohort_comes_with_it_too(folder: Path, data: Bundle) -> None:
    manifest = recalibrate(folder, data, folder)
    cohort = read_cohort(folder, manifest)
    fitting = [row for row in data.rows if not is_validation(row.subject, read_configuration(folder).validation_share)]
    assert cohort is not None
    assert len(cohort) == len({row.path for row in fitting})
    assert manifest.calibration is not None
    assert manifest.calibration.cohort_level != 0


def test_every_question_about_a_validation_subject_stands_behind_it(folder: Path, data: Bundle) -> None:
    share = read_configuration(folder).validation_share
    held_out = {row.subject for row in data.rows if is_validation(row.subject, share)}
    assert strangers(recalibrate(folder, data, folder)) == len(held_out) * (PICTURES - 1)


@pytest.mark.parametrize(("singles", "further"), [("true", 1), ("false", 0)])
def test_who_has_a_single_picture_is_asked_as_a_stranger(
    folder: Path, data: Bundle, singles: str, further: int
) -> None:
    (folder / CONFIGURATION_FILE).write_text(f"{TRAINED}singles = {singles}\n")
    share = read_configuration(folder).validation_share
    single, *others = sorted({row.subject for row in data.rows if is_validation(row.subject, share)})
    rows = [row for row in data.rows if row.subject != single]
    rows.append(next(row for row in data.rows if row.subject == single))
    assert strangers(recalibrate(folder, replace(data, rows=rows), folder)) == len(others) * (PICTURES - 1) + further


def test_a_second_time_changes_nothing(folder: Path, data: Bundle) -> None:
    recalibrate(folder, data, folder)
    first = (folder / MANIFEST_FILE).read_bytes()
    recalibrate(folder, data, folder)
    assert (folder / MANIFEST_FILE).read_bytes() == first


def test_a_trunk_that_stayed_as_it_is_is_judged_on_everybody(folder: Path, data: Bundle, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNetV2((224, 224, 3), include_top=False, weights=None)
    network.save_weights(tmp_path / MOBILENET_V2_FILE)
    freeze(folder)
    manifest = recalibrate(folder, replace(data, weights=tmp_path), folder)
    assert strangers(manifest) == SUBJECTS * (PICTURES - 1)
    # of the network that ships, which is not the one that was fitted to these pictures
    cohort, recipe = np.load(folder / COHORT_FILE), build_recipe(load_registry()["skin"].recipe)
    picture = load_pictures(data.root, data.rows[:1], CACHE_SIDE)[data.rows[0].path]
    embedding = LiteRTSession(folder).run(network_view(recipe(picture)[np.newaxis]))
    assert np.abs(cohort - embedding).max(axis=1).min() < 0.01


def test_without_its_weights_such_a_trunk_is_left_alone(folder: Path, data: Bundle) -> None:
    freeze(folder)
    before = (folder / MANIFEST_FILE).read_bytes()
    with pytest.raises(ValueError, match="needs its ImageNet weights"):
        recalibrate(folder, data, folder)
    assert (folder / MANIFEST_FILE).read_bytes() == before


@pytest.mark.parametrize("configuration", [FROZEN, TRAINED], ids=["frozen", "trained"])
def test_people_whom_the_network_has_not_seen_are_all_judged_by_what_ships(
    folder: Path, data: Bundle, configuration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / CONFIGURATION_FILE).write_text(configuration)
    session, cohort = LiteRTSession(folder), read_cohort(folder, read_manifest(folder))
    pictures, recipe = load_pictures(data.root, data.rows, CACHE_SIDE), build_recipe(load_registry()["skin"].recipe)
    everybody = ValidationSet(data.rows, pictures, recipe)
    (expected,) = everybody.scored(everybody.embeddings(embedder_of(session)), cohort)
    judged: list[Scored] = []

    def seen(tracks: list[Scored], *others: Any) -> Any:
        judged.extend(tracks)
        assert others[-1] == ENOUGH  # all of them say what the calibration is
        return calibrate(tracks, *others)

    monkeypatch.setattr("training.calibration.recalibrate.calibrate", seen)
    recalibrate(folder, data, folder, unseen=True)
    (track,) = judged
    assert track.score.queries == SUBJECTS * (PICTURES - 1)
    np.testing.assert_array_equal(track.truth, expected.truth)
    np.testing.assert_allclose(track.similarities, expected.similarities, atol=1e-6)
    assert track.levels is not None
    assert expected.levels is not None
    np.testing.assert_allclose(track.levels, expected.levels, atol=1e-6)


def test_their_calibration_leaves_network_and_cohort_alone(folder: Path, data: Bundle) -> None:
    (folder / CONFIGURATION_FILE).write_text(f'{FROZEN}shown = true\ncohort_sources = ["elsewhere"]\n')
    before, files = read_manifest(folder), [folder / MODEL_FILE, folder / COHORT_FILE]
    contents = [file.read_bytes() for file in files]
    after = recalibrate(folder, data, folder, unseen=True)
    assert [file.read_bytes() for file in files] == contents
    assert after == read_manifest(folder)
    assert (after.digest, after.golden, after.cohort) == (before.digest, before.golden, before.cohort)
    assert after.calibration != before.calibration
    assert strangers(after) == SUBJECTS * (PICTURES - 1)
    assert after.training["calibrated"] == {"unseen": True, "subjects": SUBJECTS}
    assert after.training["configuration"]["shown"] is True
    assert after.training["configuration"].get("cohort_sources", []) == []


def test_they_may_come_from_any_source(folder: Path, data: Bundle) -> None:
    (folder / CONFIGURATION_FILE).write_text(f'{FROZEN}sources = ["elsewhere"]\n')
    assert strangers(recalibrate(folder, data, folder, unseen=True)) == SUBJECTS * (PICTURES - 1)


def test_whose_pictures_are_in_the_cohort_cannot_pass_for_unseen(folder: Path, data: Bundle) -> None:
    recalibrate(folder, data, folder)
    before = (folder / MANIFEST_FILE).read_bytes()
    with pytest.raises(ValueError, match=r"\d+% of the pictures are in cohort.npy"):
        recalibrate(folder, data, folder, unseen=True)
    assert (folder / MANIFEST_FILE).read_bytes() == before


def test_without_a_cohort_they_are_judged_by_the_network_alone(folder: Path, data: Bundle) -> None:
    write(folder, read_manifest(folder).model_copy(update={"cohort": None}))
    (folder / COHORT_FILE).unlink()
    manifest = recalibrate(folder, data, folder, unseen=True)
    assert manifest.cohort is None
    assert manifest.calibration is not None
    assert manifest.calibration.cohort_weight == 0


def test_the_command_says_who_is_unseen(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    freeze(folder)
    cohort = (folder / COHORT_FILE).read_bytes()
    monkeypatch.setattr("training.calibration.recalibrate.REPOSITORY", folder.parent)
    assert main(["--data", str(bundle), "--modality", "skin", "--unseen"]) == 0
    assert "strict=" in capsys.readouterr().out
    assert (folder / COHORT_FILE).read_bytes() == cohort


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--modality", "skin"]) == 2
    assert capsys.readouterr().err.startswith("recalibrate: there is no manifest.csv in the data folder")


def test_probes_are_drawn_the_same_before_and_after_they_are_verified(bundle: Path) -> None:
    rows = [row for row in read_rows(bundle) if row.subject < "s06"]
    pictures = ValidationSet(rows, load_pictures(bundle, rows), lambda picture: picture)
    embeddings = np.eye(len(pictures.paths), dtype=np.float32)
    (everything,) = pictures.verified(embeddings, LocalVerifier(upright=True))
    (few,) = pictures.verified(embeddings, LocalVerifier(upright=True), most=5)
    drawn = everything.drawn(5)
    assert len(drawn.truth) == 5 < len(everything.truth)
    np.testing.assert_array_equal(few.truth, drawn.truth)
    np.testing.assert_array_equal(few.similarities, drawn.similarities)
    assert few.agreeing is not None
    assert drawn.agreeing is not None
    np.testing.assert_array_equal(few.agreeing, drawn.agreeing)
