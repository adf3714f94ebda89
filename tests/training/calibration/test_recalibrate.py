"""Recalibration of the shipped model of skin by a bundle of generated people."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from training.calibration.identifier_calibration import calibrate
from training.calibration.recalibrate import main, recalibrate
from training.calibration.strict_threshold import COUNTED_FROM
from training.configuration import CONFIGURATION_FILE
from training.data.bundle_manifest import read_manifest as read_rows
from training.data.dataset import Bundle
from training.data.images import CACHE_SIDE, load_pictures
from training.data.splits import is_validation, validation_protocols
from training.engine.validation import TrackScores, ValidationSet, session_embedder

pytestmark = [
    pytest.mark.usefixtures("_tiny"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on NumPy 2
]

SHARE = 0.15
FINETUNED = 'kind = "identifier"\nbackbone = "tiny"\nsize = 64\n[finetune]\nepochs = 3\n'
FROZEN = 'kind = "identifier"\nbackbone = "tiny"\nsize = 64\n[discriminant]\n'
CAREFUL = "[calibration]\nclopper_pearson = true\nsingle_image_strangers = false\ncap_cosine_llr = true\n"


def model(repository: Path, parent: Path, configuration: str) -> Path:
    """A copy of the shipped model with this configuration, and without a strict threshold."""
    copy = Path(shutil.copytree(repository / "skin-service", parent / "skin-service"))
    (copy / CONFIGURATION_FILE).write_text(configuration)
    write(copy, read_manifest(copy).model_copy(update={"operating_points": None}))
    return copy


def write(folder: Path, manifest: ModelManifest) -> None:
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def people(bundle: Path) -> Bundle:
    return Bundle(bundle, read_rows(bundle), None)


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    return model(repository, tmp_path, FINETUNED)


@pytest.fixture(scope="module")
def finetuned(repository: Path, people: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelManifest]:
    """The model, recalibrated as a finetuned one by the people of its training; and its manifest before."""
    folder = model(repository, tmp_path_factory.mktemp("finetuned"), FINETUNED + CAREFUL)
    before = read_manifest(folder)
    recalibrate(folder, people)
    return folder, before


@pytest.fixture(scope="module")
def unseen(repository: Path, people: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The model, recalibrated by people it has not seen, whatever its sources say; and its files before."""
    configuration = f'sources = ["elsewhere"]\n{FROZEN}[calibration]\nclopper_pearson = true\ncohort_sources = ["no"]\n'
    folder = model(repository, tmp_path_factory.mktemp("unseen"), configuration)
    before = contents(folder)
    recalibrate(folder, people, unseen=True)
    return folder, before


def held_out(people: Bundle) -> list[str]:
    return sorted({row.subject for row in people.rows if is_validation(row.subject, SHARE)})


def strangers(manifest: ModelManifest) -> int:
    assert manifest.operating_points is not None
    return int(manifest.operating_points.strict_origin.split()[0])


def test_calibration_and_threshold_change_and_the_network_stays(finetuned: tuple[Path, ModelManifest]) -> None:
    folder, before = finetuned
    after = read_manifest(folder)
    assert after.strict_threshold is not None
    assert 0 < after.strict_threshold <= 1
    assert after.calibration != before.calibration
    assert (after.digest, after.golden) == (before.digest, before.golden)


def test_the_manifest_says_how_it_was_calibrated_and_trained(
    finetuned: tuple[Path, ModelManifest], people: Bundle
) -> None:
    folder, before = finetuned
    settings = {
        "cohort_sources": [],
        "simulate_repeat_shots": False,
        "simulate_later_visits": False,
        "cap_cosine_llr": True,
        "halve_limits": False,
        "clopper_pearson": True,
        "single_image_strangers": False,
    }
    configuration = before.training["configuration"] | {"calibration": settings}
    calibrated = {"unseen": False, "subjects": len(held_out(people))}
    assert read_manifest(folder).training == before.training | {
        "configuration": configuration,
        "calibrated": calibrated,
    }


def test_cosines_are_capped_if_the_configuration_says_so(finetuned: tuple[Path, ModelManifest]) -> None:
    calibration = read_manifest(finetuned[0]).calibration
    assert calibration is not None
    assert calibration.similarity_limit is not None


def test_the_cohort_is_of_the_training_part(finetuned: tuple[Path, ModelManifest], people: Bundle) -> None:
    manifest = read_manifest(finetuned[0])
    cohort = read_cohort(finetuned[0], manifest)
    assert cohort is not None
    assert len(cohort) == len({row.path for row in people.rows if not is_validation(row.subject, SHARE)})
    assert manifest.calibration is not None
    assert manifest.calibration.cohort_level != 0


def test_every_probe_of_a_validation_subject_is_a_stranger(
    finetuned: tuple[Path, ModelManifest], people: Bundle
) -> None:
    assert strangers(read_manifest(finetuned[0])) == len(held_out(people)) * (PICTURES - 1)


def test_people_with_a_single_image_are_strangers(folder: Path, people: Bundle) -> None:
    single, *others = held_out(people)
    rows = [row for row in people.rows if row.subject != single]
    rows.append(next(row for row in people.rows if row.subject == single))
    assert strangers(recalibrate(folder, replace(people, rows=rows))) == len(others) * (PICTURES - 1) + 1


def test_a_second_recalibration_changes_nothing(finetuned: tuple[Path, ModelManifest], people: Bundle) -> None:
    first = contents(finetuned[0])
    recalibrate(finetuned[0], people)
    assert contents(finetuned[0]) == first


def test_a_frozen_backbone_is_calibrated_on_everybody(folder: Path, people: Bundle) -> None:
    (folder / CONFIGURATION_FILE).write_text(FROZEN)
    assert strangers(recalibrate(folder, people)) == SUBJECTS * (PICTURES - 1)
    # the cohort is of the network that ships, which is not the one that was fitted to these images
    cohort, recipe = np.load(folder / COHORT_FILE), build_recipe(load_registry()["skin"].recipe)
    picture = load_pictures(people.root, people.rows[:1], CACHE_SIDE)[people.rows[0].path]
    embedding = LiteRTSession(folder).run(network_view(recipe(picture)[np.newaxis]))
    assert np.abs(cohort - embedding).max(axis=1).min() < 0.01


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (FROZEN.replace("tiny", "mobilenet_v2"), "ImageNet weights of mobilenet_v2 are missing"),
        ('kind = "classifier"\nbackbone = "tiny"\n', "holds no identification model"),
    ],
)
def test_a_refusal_changes_nothing(folder: Path, people: Bundle, text: str, complaint: str) -> None:
    (folder / CONFIGURATION_FILE).write_text(text)
    before = contents(folder)
    with pytest.raises(ValueError, match=complaint):
        recalibrate(folder, people)
    assert contents(folder) == before


@pytest.mark.parametrize("configuration", [FROZEN, FINETUNED], ids=["frozen", "finetuned"])
def test_unseen_people_are_all_scored_by_what_ships(
    folder: Path, people: Bundle, configuration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / CONFIGURATION_FILE).write_text(configuration)
    session, cohort = LiteRTSession(folder), read_cohort(folder, read_manifest(folder))
    pictures, recipe = load_pictures(people.root, people.rows, CACHE_SIDE), build_recipe(load_registry()["skin"].recipe)
    everybody = ValidationSet(validation_protocols(people.rows), pictures, recipe)
    (expected,) = everybody.scored(everybody.embeddings(session_embedder(session)), cohort)
    scored: list[TrackScores] = []

    def seen(tracks: list[TrackScores], *others: Any) -> Any:
        scored.extend(tracks)
        assert others[-1] == COUNTED_FROM  # all of them are used
        return calibrate(tracks, *others)

    monkeypatch.setattr("training.calibration.recalibrate.calibrate", seen)
    recalibrate(folder, people, unseen=True)
    (track,) = scored
    assert track.score.queries == SUBJECTS * (PICTURES - 1)
    np.testing.assert_array_equal(track.truth, expected.truth)
    np.testing.assert_allclose(track.similarities, expected.similarities, atol=1e-6)
    assert track.levels is not None
    assert expected.levels is not None
    np.testing.assert_allclose(track.levels, expected.levels, atol=1e-6)


def test_unseen_people_leave_network_and_cohort_alone(unseen: tuple[Path, dict[str, bytes]]) -> None:
    folder, before = unseen
    files = contents(folder)
    assert {name: files[name] for name in (MODEL_FILE, COHORT_FILE)} == {
        name: before[name] for name in (MODEL_FILE, COHORT_FILE)
    }
    manifest, after = ModelManifest.model_validate_json(before[MANIFEST_FILE]), read_manifest(folder)
    assert (after.digest, after.golden, after.cohort) == (manifest.digest, manifest.golden, manifest.cohort)
    assert after.calibration != manifest.calibration
    assert strangers(after) == SUBJECTS * (PICTURES - 1)
    assert after.training["calibrated"] == {"unseen": True, "subjects": SUBJECTS}
    assert after.training["configuration"]["calibration"]["clopper_pearson"] is True
    assert after.training["configuration"]["calibration"]["cohort_sources"] == []


def test_members_of_the_cohort_cannot_pass_for_unseen(finetuned: tuple[Path, ModelManifest], people: Bundle) -> None:
    before = contents(finetuned[0])
    with pytest.raises(ValueError, match=r"\d+% of the images are in cohort.npy"):
        recalibrate(finetuned[0], people, unseen=True)
    assert contents(finetuned[0]) == before


def test_without_a_cohort_the_network_alone_scores(folder: Path, people: Bundle) -> None:
    write(folder, read_manifest(folder).model_copy(update={"cohort": None}))
    (folder / COHORT_FILE).unlink()
    manifest = recalibrate(folder, people, unseen=True)
    assert manifest.cohort is None
    assert manifest.calibration is not None
    assert manifest.calibration.cohort_weight == 0


def test_the_command_prints_what_it_has_fitted(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort = (folder / COHORT_FILE).read_bytes()
    monkeypatch.setattr("training.calibration.recalibrate.REPOSITORY", folder.parent)
    assert main(["--data", str(bundle), "--modality", "skin", "--unseen"]) == 0
    assert "strict=" in capsys.readouterr().out
    assert (folder / COHORT_FILE).read_bytes() == cohort


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--modality", "skin"]) == 2
    assert capsys.readouterr().err.startswith(f"recalibrate: The data folder {tmp_path} has no manifest.csv")


def test_probes_are_drawn_the_same_before_and_after_verification(bundle: Path) -> None:
    rows = [row for row in read_rows(bundle) if row.subject < "s06"]
    pictures = ValidationSet(validation_protocols(rows), load_pictures(bundle, rows), lambda picture: picture)
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
