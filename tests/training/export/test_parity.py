"""A network and its export; TensorFlow is imported by the fixtures, not while tests are collected."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.modalities import load_registry
from shared.models.manifest import MODEL_FILE
from training.export import parity
from training.export.parity import compare

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # Keras, of TensorFlow's arrays


def network(seed: int, outputs: int) -> Any:
    """A few weights behind 8 x 8 tiles."""
    import keras  # noqa: PLC0415

    from training.networks.layers import PixelsToFloat  # noqa: PLC0415

    keras.utils.set_random_seed(seed)
    pixels = keras.Input((224, 224, 3), dtype="uint8")
    tiles = keras.layers.Rescaling(1 / 128, -1)(keras.layers.AveragePooling2D(28)(PixelsToFloat()(pixels)))
    rows = keras.layers.Dense(outputs, "tanh")(keras.layers.Flatten()(tiles))
    return keras.Model(pixels, keras.layers.UnitNormalization()(rows))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`runs/` and `models/` of a skin network and of COMPA; `other/` holds another network than was exported."""
    from training.export.model_folder import export_litert  # noqa: PLC0415

    root = tmp_path_factory.mktemp("parity")
    for name, outputs in (("skin", 16), ("compa", 5)):
        run, folder, other = (root / part for part in (f"runs/{name}", f"models/{name}-service", f"other/{name}"))
        for path in (run, folder, other):
            path.mkdir(parents=True)
        trained = network(0, outputs)
        trained.save(run / "model.keras")
        export_litert(trained, folder, float16=True)
        network(1, outputs).save(other / "model.keras")
    return root


@pytest.fixture
def probes(bundle: Path) -> list[Path]:
    return sorted(bundle.glob("0?-1.png"))


@pytest.fixture
def gallery(bundle: Path) -> dict[Path, str]:
    return {path: path.name[:2] for path in sorted(bundle.glob("0?-0.png"))}


def test_an_export_answers_as_its_network(exported: Path, probes: list[Path], gallery: dict[Path, str]) -> None:
    found = compare("skin", probes, gallery, exported / "runs/skin", exported / "models/skin-service")
    assert found.images == len(probes)
    assert found.smallest_cosine > 0.9999
    assert found.same_top1 == 1.0


def test_another_network_is_found_out(exported: Path, probes: list[Path], gallery: dict[Path, str]) -> None:
    found = compare("skin", probes, gallery, exported / "other/skin", exported / "models/skin-service")
    assert found.smallest_cosine < 0.9


def test_compa_is_compared_by_its_label(exported: Path, probes: list[Path]) -> None:
    same = compare("compa", probes, {}, exported / "runs/compa", exported / "models/compa-service")
    other = compare("compa", probes, {}, exported / "other/compa", exported / "models/compa-service")
    assert same.same_top1 == 1.0
    assert other.same_top1 < 1.0


def test_a_picture_is_not_its_own_nearest(exported: Path, bundle: Path) -> None:
    """With one other picture enrolled, that one is nearest, whoever the probe is."""
    paths = sorted(bundle.glob("00-0.png")) + sorted(bundle.glob("01-0.png"))
    both = dict(zip(paths, ("a", "b"), strict=True))
    found = compare("skin", paths, both, exported / "other/skin", exported / "models/skin-service")
    assert found.same_top1 == 1.0


def test_the_command_prints_a_line_for_every_model(
    exported: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in load_registry().names:
        shutil.copytree(exported / "runs/skin", tmp_path / f"runs/{name}")
        shutil.copytree(exported / "models/skin-service", tmp_path / f"{name}-service")
    shutil.copytree(exported / "runs/compa", tmp_path / "runs/compa")
    shutil.copytree(exported / "models/compa-service", tmp_path / "compa-service")
    lines = (bundle / "manifest.csv").read_text().splitlines()
    every = [
        lines[0],
        *(
            line.replace(",skin,", f",{name},").replace(",train,train", ",test,gallery")
            for line in lines[1:]
            for name in load_registry().names
        ),
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(every))
    for picture in bundle.glob("*.png"):
        (tmp_path / picture.name).symlink_to(picture)
    monkeypatch.setattr(parity, "REPOSITORY", tmp_path)
    parity.main(["--data", str(tmp_path), "--runs", str(tmp_path / "runs"), "--images", "5"])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == ["compa", *load_registry().names]
    assert all("5 images, smallest cosine 1.0" in line or "0.9999" in line for line in printed)
    assert np.all([(tmp_path / f"{name}-service" / MODEL_FILE).is_file() for name in load_registry().names])
