from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from training.data.bundle_manifest import Row, read_manifest
from training.engine.checkpoints import claim
from training.engine.configuration import IdentifierConfiguration, TuningConfiguration

TRAINED = IdentifierConfiguration(kind="identifier", trunk="mobilenet_v2", epochs=3)
READ = IdentifierConfiguration(kind="identifier", trunk="mobilenet_v2", epochs=0, depths=True)
TUNED = READ.model_copy(update={"tuning": TuningConfiguration()})


@pytest.fixture
def rows(bundle: Path) -> list[Row]:
    return read_manifest(bundle)


@pytest.mark.parametrize("configuration", [TRAINED, TUNED])
def test_the_same_run_goes_on(configuration: IdentifierConfiguration, rows: list[Row], tmp_path: Path) -> None:
    claim(tmp_path / "run", configuration, rows)
    first = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    claim(tmp_path / "run", configuration, reversed(rows))
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == first != {}


def test_another_configuration_does_not(rows: list[Row], tmp_path: Path) -> None:
    claim(tmp_path, TUNED, rows)
    longer = TUNED.model_copy(update={"tuning": TuningConfiguration(epochs=9)})
    for other in (longer, TRAINED):
        with pytest.raises(ValueError, match="--restart"):
            claim(tmp_path, other, rows)


def test_other_pictures_do_not(rows: list[Row], tmp_path: Path) -> None:
    claim(tmp_path, TRAINED, rows)
    for others in (rows[1:], [replace(rows[0], subject="somebody else"), *rows[1:]]):
        with pytest.raises(ValueError, match="--restart"):
            claim(tmp_path, TRAINED, others)


def test_a_discriminant_leaves_nothing_that_could_belong_to_another(rows: list[Row], tmp_path: Path) -> None:
    claim(tmp_path, READ, rows)
    claim(tmp_path, READ.model_copy(update={"within": 0.1}), rows)
    assert list(tmp_path.iterdir()) == []
