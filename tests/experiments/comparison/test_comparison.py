from dataclasses import replace
from pathlib import Path

import pytest

from experiments.comparison import learning
from experiments.comparison.__main__ import main
from experiments.comparison.candidates import TEACHER
from training.evaluation.evaluation_page import BEGIN, END

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2


def test_a_run_stores_its_rows_and_writes_the_table_and_goes_on_where_it_stopped(
    bundle: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "TEACHER", replace(TEACHER, trunk="mobilenet_v2"))
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{BEGIN}\n{END}\n\nafter\n")
    arguments = ["--data", str(bundle), "--weights", str(weights), "--runs", str(tmp_path / "runs"), "--steps", "2"]
    arguments += ["--into", str(page), "--modality", "skin", "--only", "frozen", "mami"]
    assert main(arguments) == 0
    written = page.read_text()
    assert "| start | MobileNetV2, frozen, whitened | nothing | - | " in written
    assert "MaMI in small" in written
    assert written.endswith(f"{END}\n\nafter\n")
    page.write_text(f"{BEGIN}\n{END}\n")
    monkeypatch.setattr("experiments.comparison.__main__.prepare", None)  # nothing is trained again
    assert main(arguments) == 0
    assert "MaMI in small" in page.read_text()


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    arguments = ["--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "--into", str(page)]
    page.write_text("# no markers\n")
    assert main(arguments) == 2
    assert "no place for the results" in capsys.readouterr().err
    page.write_text(f"{BEGIN}\n{END}\n")
    assert main(arguments) == 2
    assert "there is no manifest.csv" in capsys.readouterr().err
