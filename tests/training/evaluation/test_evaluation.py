import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from shared.models.manifest import MANIFEST_FILE, read_manifest
from training.evaluation import marked
from training.evaluation.__main__ import main
from training.evaluation.evaluation_page import BEGIN, END
from training.evaluation.evaluation_page import main as page
from training.evaluation.layouts import LAYOUTS

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2

CONTROL = "control: background only"
BASELINES = ["raw 32x32", "frozen mobilenet_v2", "frozen mobilenet_v2, whitened", "SIFT + RANSAC"]


@pytest.fixture(scope="module")
def out(bundle: Path, models: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run with everything wrote."""
    folder = tmp_path_factory.mktemp("report")
    arguments = ["--data", str(bundle), "--out", str(folder), "--models", str(models), "--weights", str(weights)]
    assert main(arguments) == 0
    return folder


@pytest.fixture(scope="module")
def report(out: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    parsed: dict[str, Any] = json.loads((out / "report.json").read_text(), parse_constant=refuse)
    return parsed


@pytest.fixture(scope="module")
def text(out: Path) -> str:
    return (out / "report.md").read_text()


def test_the_protocol_stands_beside_the_figures(report: dict[str, Any]) -> None:
    (track,) = report["tracks"]
    assert report["split"] == "test"
    assert (track["track"], track["kind"]) == ("skin-generated", "separate acquisitions")
    assert (track["queries"], track["gallery_subjects"], track["gallery_pictures"], track["impostors"]) == (12, 6, 6, 3)
    assert track["rank1_by_chance"] == pytest.approx(1 / 6)


def test_ours_the_control_and_every_baseline_are_measured(report: dict[str, Any]) -> None:
    methods = {method["method"]: method for method in report["tracks"][0]["methods"]}
    assert list(methods) == ["ours", CONTROL, *BASELINES]
    assert [name for name, method in methods.items() if method["decisions"]] == ["ours"]
    for method in methods.values():
        for figure in (*method["identification"].values(), method["fnir5"], method["fnir1"]):
            assert 0.0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1.0


def test_baselines_that_are_not_beaten_are_named(report: dict[str, Any], text: str) -> None:
    not_beaten = report["tracks"][0]["not_beaten"]
    assert "SIFT + RANSAC" in not_beaten  # it finds every turned surface
    assert CONTROL not in not_beaten
    assert f"Not beaten at rank 1: {', '.join(not_beaten)}." in text


def test_the_text_states_kind_and_numbers(text: str) -> None:
    assert "### skin-generated (separate acquisitions; 12 / 6 / 3)" in text
    assert "The FNIR figures depend on only 3 impostors." in text
    assert "Chance finds 16.7% at rank 1." in text


def test_compa_is_measured_over_every_picture_of_the_split(report: dict[str, Any], text: str) -> None:
    compa = report["compa"]
    assert (compa["good"], compa["foreign"]) == (21, 2)
    assert sum(map(sum, compa["confusion"])) == 23
    assert set(compa["refused_by_source"]) == {"good: generated", "foreign: generated"}
    assert "## COMPA" in text


def test_operating_points_are_those_of_the_model(report: dict[str, Any], text: str) -> None:
    points = {point["name"]: point for point in report["models"]["skin"]["operating_points"]}
    assert {name: point["threshold"] for name, point in points.items()} == {
        "strict": 0.9606,
        "standard": 0.75,
        "investigation": None,
    }
    assert points["strict"]["origin"] == "the subjects of a test"
    assert min(report["models"]["skin"][fact] for fact in ("megabytes", "milliseconds")) > 0
    assert [point["threshold"] for point in report["tracks"][0]["operating_points"]] == [0.9606, 0.75, None]
    assert "## Operating points" in text


def test_plots_are_written_and_shown(out: Path, text: str) -> None:
    assert (out / "skin-generated.png").is_file()
    assert (out / "overview.png").is_file()
    assert "](skin-generated.png)" in text
    assert "](overview.png)" in text


def test_the_control_is_tested_against_chance(report: dict[str, Any], text: str) -> None:
    (test,) = [method["chance_test"] for method in report["tracks"][0]["methods"] if method["control"]]
    assert test["chance"] == pytest.approx(1 / 6)
    assert test["source_chance"] == test["chance"]  # one source
    assert f"| {test['verdict']} |" in text


def test_the_gallery_grows_to_ten_thousand(report: dict[str, Any]) -> None:
    sizes = report["tracks"][0]["growth"]
    assert [(size["enrolled"], size["made_up"]) for size in sizes] == [(6, 0), (100, 82), (1000, 982), (10000, 9982)]


def test_the_tables_of_the_page_come_from_the_report_alone(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert page([str(out / "report.json")]) == 0
    printed = capsys.readouterr().out
    assert "| skin-generated | separate acquisitions | 12 / 6 / 3 |" in printed
    document = tmp_path / "evaluation.md"
    document.write_text(f"# Before\n{BEGIN}\nold figures\n{END}\n# After\n")
    for _ in range(2):  # a second time changes nothing
        assert page([str(out / "report.json"), "--into", str(document)]) == 0
    written = document.read_text()
    assert written == f"# Before\n{BEGIN}\n\n{printed}{END}\n# After\n"


def test_a_page_without_a_place_for_results_is_left_alone(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "evaluation.md"
    document.write_text("# Nothing here\n")
    assert page([str(out / "report.json"), "--into", str(document)]) == 2
    assert "no place for the results" in capsys.readouterr().err
    assert document.read_text() == "# Nothing here\n"


def run(bundle: Path, models: Path, out: Path, *further: str) -> int:
    common = ["--data", str(bundle), "--out", str(out), "--models", str(models), "--modality", "skin"]
    return main([*common, *further])


def part_of(bundle: Path, folder: Path, *roles: str, track: str = "skin-generated") -> None:
    """Copy a bundle without the rows of some roles, under another name of the track."""
    lines = (bundle / "manifest.csv").read_text().replace(",skin-generated,", f",{track},").splitlines()
    kept = [line for line in lines if not any(f",{role}," in line for role in roles)]
    (folder / "manifest.csv").write_text("\n".join(kept))
    for picture in bundle.glob("*.png"):
        (folder / picture.name).symlink_to(picture)


def test_one_modality_without_track_names(
    bundle: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part_of(bundle, tmp_path, "train", track="")
    assert run(tmp_path, models, tmp_path / "report", "--without-baselines") == 0
    assert "names no tracks for skin: all rows of a modality are one track" in capsys.readouterr().out
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert report["compa"] is None
    assert report["tracks"][0]["track"] == "skin"
    assert [m["method"] for m in report["tracks"][0]["methods"]] == ["ours", CONTROL, "raw 32x32"]


def test_absent_roles_have_no_figures(bundle: Path, models: Path, tmp_path: Path) -> None:
    part_of(bundle, tmp_path, "impostor", "ood", "train")
    out = tmp_path / "report"
    assert main(["--data", str(tmp_path), "--out", str(out), "--models", str(models), "--without-baselines"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["tracks"][0]["methods"][0]["fnir5"] is None
    assert report["tracks"][0]["growth"] == []
    assert report["compa"]["foreign_refused"] is None
    text = (out / "report.md").read_text()
    assert "foreign pictures" not in text.split("## COMPA")[1].split("##")[0]


def test_a_model_without_calibration_is_only_ranked(bundle: Path, models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "skin-service"
    shutil.copytree(models / "skin-service", folder)
    manifest = read_manifest(folder).model_copy(update={"calibration": None})
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json())
    part_of(bundle, tmp_path, "train")
    assert run(tmp_path, tmp_path, tmp_path / "report", "--without-baselines") == 0
    report = json.loads((tmp_path / "report/report.json").read_text())
    (track,) = report["tracks"]
    assert track["methods"][0]["decisions"] is None
    assert track["operating_points"] == track["growth"] == report["models"]["skin"]["operating_points"] == []
    text = (tmp_path / "report/report.md").read_text()
    assert "Operating points" not in text
    assert "Larger galleries" not in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--split", "train"], "no track of split=train has rows of the roles gallery and query"),
        (["--weights", "nowhere"], "the baselines need ImageNet weights"),
        (["--weights", "."], "holds no ImageNet weights of mobilenet_v2"),
        (["--models", "nowhere", "--without-baselines"], "skin-service/ holds no model"),
        (["--data", "nowhere"], "The data folder nowhere has no manifest.csv"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    arguments: list[str],
    complaint: str,
    bundle: Path,
    models: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(bundle, models, tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_marked_tracks_are_counted(bundle: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert marked.main(["--data", str(bundle), "--models", str(models), "--modality", "skin"]) == 0
    header, _, *lines = capsys.readouterr().out.splitlines()
    rows = [dict(zip(header.split(" | "), line.split(" | "), strict=True)) for line in lines]
    assert [row["marks"] for row in rows] == ["none", *LAYOUTS, "none", "marks"]
    assert int(rows[-1]["queries"]) == len(LAYOUTS) * int(rows[0]["queries"]) > 0
    assert int(rows[-2]["found"]) == int(rows[0]["found"])
