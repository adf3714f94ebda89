from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from training.configuration import DiscriminantSettings, FinetuneSettings, IdentifierConfiguration
from training.data.bundle_manifest import Row, read_manifest
from training.engine.checkpoints import LOG_FILE, claim, plot_curves, start_run

FINETUNED = IdentifierConfiguration(kind="identifier", backbone="mobilenet_v2", finetune=FinetuneSettings(epochs=3))
FROZEN = IdentifierConfiguration(kind="identifier", backbone="mobilenet_v2", discriminant=DiscriminantSettings())


@pytest.fixture
def rows(bundle: Path) -> list[Row]:
    return read_manifest(bundle)


def test_the_same_run_goes_on(rows: list[Row], tmp_path: Path) -> None:
    claim(tmp_path / "run", FINETUNED, rows)
    first = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    claim(tmp_path / "run", FINETUNED, reversed(rows))
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == first != {}


def test_another_configuration_or_other_images_do_not(rows: list[Row], tmp_path: Path) -> None:
    claim(tmp_path, FINETUNED, rows)
    longer = FINETUNED.model_copy(update={"finetune": FinetuneSettings(epochs=9)})
    renamed = [replace(rows[0], subject="somebody else"), *rows[1:]]
    for configuration, others in ((longer, rows), (FINETUNED, rows[1:]), (FINETUNED, renamed)):
        with pytest.raises(ValueError, match="--restart"):
            claim(tmp_path, configuration, others)
    start_run(tmp_path, restart=True)
    claim(tmp_path, longer, rows)


def test_a_discriminant_leaves_nothing_to_claim(rows: list[Row], tmp_path: Path) -> None:
    start_run(tmp_path, restart=False)
    claim(tmp_path, FROZEN, rows)
    assert list(tmp_path.iterdir()) == []


def test_curves_are_drawn_of_a_run_with_a_log(tmp_path: Path) -> None:
    plot_curves(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / LOG_FILE).write_text("epoch,loss,val_map\n0,2.5,0.4\n1,2.0,0.5\n")
    plot_curves(tmp_path)
    assert (tmp_path / "curves.png").read_bytes()[1:4] == b"PNG"
