from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.models.manifest import MANIFEST_FILE, MODEL_FILE, ModelManifest
from training.export.model_card import CARD_FILE, write_folder

TRAINED = "chose the\ncheckpoint and fitted the calibration"
FOLDS = "calibration is fitted by folds"
MODALITIES = "set the temperature\nof the probabilities and the threshold of refusal"
WHOSE = "To find whose an image is"


def manifest_of(folder: Path) -> ModelManifest:
    return ModelManifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())


def written(network: Path, manifest: ModelManifest, folder: Path) -> str:
    """The card that the code writes of a model, without the rows of its data."""
    (folder / MODEL_FILE).symlink_to(network)
    write_folder(folder, manifest, [], manifest.training["validation"])
    return (folder / CARD_FILE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("service", "configuration", "said"),
    [
        ("skin", {"epochs": 18}, {TRAINED, WHOSE}),
        ("skin", {"epochs": 0}, {FOLDS, WHOSE}),
        ("compa", {}, {MODALITIES}),
    ],
)
def test_a_card_says_what_validation_was_for_and_what_the_model_is_for(
    repository: Path, tmp_path: Path, service: str, configuration: dict[str, Any], said: set[str]
) -> None:
    folder = repository / f"{service}-service"
    manifest = manifest_of(folder)
    training = manifest.training | {"configuration": manifest.training["configuration"] | configuration}
    card = written(folder / MODEL_FILE, manifest.model_copy(update={"training": training}), tmp_path)
    assert {sentence for sentence in (TRAINED, FOLDS, MODALITIES, WHOSE) if sentence in card} == said


@pytest.mark.parametrize("name", ["compa", "ct", "mri", "fundus", "skin", "xray"])
def test_the_cards_that_ship_are_what_the_code_writes(repository: Path, tmp_path: Path, name: str) -> None:
    folder = repository / f"{name}-service"
    shipped = (folder / CARD_FILE).read_text(encoding="utf-8").splitlines()
    card = written(folder / MODEL_FILE, manifest_of(folder), tmp_path).splitlines()
    start = shipped.index("|---|---|---|---|") + 1
    end = shipped.index("", start)
    assert end > start
    assert shipped[:start] + shipped[end:] == card
