"""Training the network that finds marks, shortened to seconds."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.engine import segmenter
from training.train_graphics import main

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BATCH": 2, "IMAGES_PER_EPOCH": 4, "VALIDATION_BATCHES": 1}.items():
        monkeypatch.setattr(segmenter, name, value)


@pytest.mark.usefixtures("short")
def test_an_interrupted_run_goes_on_to_a_network_that_opencv_reads(bundle: Path, tmp_path: Path) -> None:
    out, runs = tmp_path / "graphics.tflite", tmp_path / "runs"
    arguments = ["--data", str(bundle), "--runs", str(runs), "--out", str(out)]
    assert main([*arguments, "--epochs", "1"]) == 0
    first = out.read_bytes()
    assert main([*arguments, "--epochs", "2"]) == 0
    assert len((runs / "graphics/epochs.json").read_text().split("loss")) == 3
    assert out.read_bytes() != first
    network = cv2.dnn.readNetFromTFLite(np.frombuffer(out.read_bytes(), np.uint8))
    network.setInput(cv2.dnn.blobFromImage(np.zeros((256, 256, 3), np.uint8)))
    assert network.forward().shape == (1, 1, 64, 64)


def test_a_missing_bundle_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--runs", str(tmp_path)]) == 2
    assert "manifest.csv" in capsys.readouterr().err


def test_unmarked_marks_of_a_source_are_no_mistake() -> None:
    found = np.full((1, 2, 2, 1), 0.9, np.float32)
    target = np.zeros((1, 2, 2, 2), np.float32)
    doubtful = float(segmenter.segmentation_loss(target, found))
    target[..., 1] = 1
    assert float(segmenter.segmentation_loss(target, found)) > doubtful + 1
