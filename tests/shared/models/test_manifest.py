import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from shared.models.golden import golden_image
from shared.models.manifest import MANIFEST_FILE, MODEL_FILE, file_digest, read_manifest


@pytest.fixture
def folder(identifier_folder: Path, tmp_path: Path) -> Path:
    """A model folder to break."""
    return Path(shutil.copytree(identifier_folder, tmp_path / "ct-service"))


def test_a_manifest_describes_its_model(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest.kind, manifest.name, manifest.output_size) == ("identifier", "ct", 256)
    assert manifest.digest == file_digest(folder / MODEL_FILE)


@pytest.mark.parametrize("missing", [MANIFEST_FILE, MODEL_FILE])
def test_a_folder_without_a_model_says_what_it_needs(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=r"ct-service/ holds no model: it needs model\.json and model\.tflite"):
        read_manifest(folder)


def test_a_model_that_is_not_the_manifests_is_refused(folder: Path) -> None:
    with (folder / MODEL_FILE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ValueError, match=r"model\.tflite is not the file that model\.json describes"):
        read_manifest(folder)


def test_a_manifest_with_a_field_too_many_is_refused(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(path.read_text().replace('"kind"', '"knid": 1, "kind"'))
    with pytest.raises(ValidationError, match="knid"):
        read_manifest(folder)


def test_a_calibration_of_another_version_says_what_to_do(folder: Path) -> None:
    path = folder / MANIFEST_FILE
    path.write_text(path.read_text().replace('"scale"', '"inlier_half": 10.0, "scale"'))
    with pytest.raises(ValueError, match=r"another version of the software; fit it again \(python -m training"):
        read_manifest(folder)
    assert read_manifest(folder, calibrated=False).calibration is None


def with_points(folder: Path, points: Any) -> Path:
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "operating_points": points}))
    return folder


def test_a_manifest_may_hold_a_strict_threshold(folder: Path) -> None:
    assert read_manifest(folder).strict_threshold is None
    points = {"strict": 0.9606, "strict_origin": "22 validation strangers"}
    assert read_manifest(with_points(folder, points)).strict_threshold == 0.9606


@pytest.mark.parametrize(
    "points",
    [
        {"strict": 1.01, "strict_origin": ""},
        {"strict": 0, "strict_origin": ""},
        {"strict": None, "strict_origin": ""},
        {"strict": 0.9},
        {"strict": 0.9, "strict_origin": "", "lax": 0.1},
    ],
)
def test_points_that_cannot_be_are_refused(folder: Path, points: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="operating_points"):
        read_manifest(with_points(folder, points))


def test_the_golden_image_is_always_the_same() -> None:
    image = golden_image()
    assert image.shape == (1, 224, 224, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, golden_image())
    assert image.std() > 40
