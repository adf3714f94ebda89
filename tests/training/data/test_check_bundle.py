"""The check runs with the standard library alone, before anything is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from training.data.check_bundle import main
from training.data.imagenet_weights import MOBILENET_V2_FILE

HEADER = "path,modality,source,subject,acquisition,track,split,role\n"


def write(root: Path, *lines: str) -> Path:
    (root / "manifest.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines))
    for line in lines:
        (root / line.split(",")[0]).touch()
    return root


def people(count: int, modality: str = "skin") -> list[str]:
    return [f"{modality}{i}-{j}.png,{modality},s,p{i},day {j},t,train,train" for i in range(count) for j in range(2)]


def test_it_needs_the_standard_library_alone(bundle: Path, repository: Path) -> None:
    command = [sys.executable, "-S", "-m", "training.data.check_bundle", "--data", str(bundle)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert "make train MODALITY=skin: possible." in done.stdout
    assert "make train MODALITY=ct: It has no rows." in done.stdout


@pytest.mark.parametrize(
    ("lines", "modality", "complaint"),
    [
        (people(2), "skin", "Modality skin has 2 people with split=train and role=train. 4 are the minimum"),
        (people(2), "nose", "There is no modality nose. Choose from compa, ct"),
        (people(9), "compa", "COMPA needs images of every modality, and ct has no row with split=train"),
        ([line for line in people(9) if "-0" in line], "skin", "among them no probe: one person with two images"),
        ([*people(3, "xray"), *people(5, "xray")], "xray", "names covid_chestxray. Only 0 of the 5 people"),
    ],
)
def test_too_few_people_are_a_sentence_with_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str], modality: str, complaint: str
) -> None:
    assert main(["--data", str(write(tmp_path, *lines)), "--modality", modality]) == 2
    assert complaint in capsys.readouterr().err


def test_every_problem_is_listed_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a.png,skin,s,p,,t,training,train", "b.png,skin,s,p,,t,train,probe")
    (tmp_path / "b.png").unlink()
    assert main(["--data", str(tmp_path)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [error.split(":")[0] for error in errors] == [f"manifest.csv, line {n}" for n in (2, 3, 3)]
    assert "does not exist" in errors[2]


def test_many_problems_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, *(f"{i}.png,skin,s,p,,t,,train" for i in range(25)))
    assert main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "... and 5 more problems."


def test_an_evaluation_needs_a_gallery_and_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["a.png,skin,s,p,day 1,t,test,gallery"]
    assert main(["--data", str(write(tmp_path, *lines)), "--evaluate", "test"]) == 2
    assert "No track of split=test has rows of both roles gallery and query" in capsys.readouterr().err
    assert (
        main(["--data", str(write(tmp_path, *lines, "b.png,skin,s,p,day 2,t,test,query")), "--evaluate", "test"]) == 0
    )


def test_a_row_of_an_unknown_modality_is_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(write(tmp_path, *people(9), *people(1, "CT")))]) == 0
    assert "Unknown modality in 2 of 20 rows ('CT' in line 20). Only COMPA uses such rows" in capsys.readouterr().out


def test_weights_are_asked_for_before_anything_is_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "bundle"
    data.mkdir()
    check = ["--data", str(write(data, *people(30))), "--modality", "skin"]
    assert main(check) == 0
    assert main([*check, "--weights"]) == 2
    assert "weights of mobilenet_v2 are missing" in capsys.readouterr().err
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / MOBILENET_V2_FILE).touch()
    assert main([*check, "--weights"]) == 0
    assert main([*check, "--weights", str(data)]) == 2


def test_baselines_need_a_folder_of_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["a.png,skin,s,p,day 1,t,test,gallery", "b.png,skin,s,p,day 2,t,test,query"]
    check = ["--data", str(write(tmp_path, *lines)), "--evaluate", "test", "--weights"]
    assert main([*check, str(tmp_path / "none")]) == 2
    assert "leave the baselines out (BASELINES=0)" in capsys.readouterr().err
    assert main([*check, str(tmp_path)]) == 0
