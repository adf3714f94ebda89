from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf

from experiments.comparison import learning
from experiments.comparison.__main__ import main
from experiments.comparison.candidates import TEACHER
from training.evaluation.evaluation_page import BEGIN, END

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2


@pytest.fixture
def eager() -> Iterator[None]:
    """Run without graphs: tracing them takes longer than one step."""
    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.mark.usefixtures("eager")
def test_a_run_writes_the_table_into_the_page(
    bundle: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "TEACHER", replace(TEACHER, trunk="mobilenet_v2"))
    page = tmp_path / "page.md"
    page.write_text(f"# Page\n\n{BEGIN}\n{END}\n\nafter\n")
    arguments = ["--data", str(bundle), "--weights", str(weights), "--steps", "1", "--into", str(page)]
    assert main([*arguments, "--modality", "skin", "--only", "frozen", "mami"]) == 0
    written = page.read_text()
    assert "| start | MobileNetV2, frozen, whitened | nothing | - | " in written
    assert "MaMI in small" in written
    assert written.endswith(f"{END}\n\nafter\n")


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    arguments = ["--data", str(tmp_path), "--into", str(page)]
    page.write_text("# no markers\n")
    assert main(arguments) == 2
    assert "no place for the results" in capsys.readouterr().err
    page.write_text(f"{BEGIN}\n{END}\n")
    assert main(arguments) == 2
    assert "has no manifest.csv" in capsys.readouterr().err
