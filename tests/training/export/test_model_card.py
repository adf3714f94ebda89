from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.models.manifest import MANIFEST_FILE, MODEL_FILE, ModelManifest
from training.export.model_card import CARD_FILE, card

TRAINED = "chose the checkpoint and fitted\nthe calibration"
FOLDS = "calibration is fitted by folds"
MODALITIES = "set the\ntemperature of the probabilities and the threshold of refusal"
WHOSE = "To propose the patient of an image"


def manifest_of(folder: Path) -> ModelManifest:
    return ModelManifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())


def written(network: Path, manifest: ModelManifest) -> str:
    """The card that the code writes of a model, without the rows of its data."""
    return card(manifest, network.stat().st_size, [], manifest.training["validation"])


@pytest.mark.parametrize(
    ("service", "configuration", "said"),
    [
        ("skin", {"epochs": 18}, {TRAINED, WHOSE}),
        ("skin", {"epochs": 0}, {FOLDS, WHOSE}),
        ("skin", {"epochs": None, "finetune": {"epochs": 3}}, {TRAINED, WHOSE}),
        ("skin", {"epochs": None, "discriminant": {"grid": False}, "finetune": None}, {FOLDS, WHOSE}),
        ("compa", {}, {MODALITIES}),
    ],
)
def test_a_card_says_what_model_and_validation_are_for(
    repository: Path, service: str, configuration: dict[str, Any], said: set[str]
) -> None:
    folder = repository / f"{service}-service"
    manifest = manifest_of(folder)
    training = manifest.training | {"configuration": manifest.training["configuration"] | configuration}
    text = written(folder / MODEL_FILE, manifest.model_copy(update={"training": training}))
    assert {sentence for sentence in (TRAINED, FOLDS, MODALITIES, WHOSE) if sentence in text} == said


@pytest.mark.parametrize("name", ["compa", "ct", "mri", "fundus", "skin", "xray"])
def test_the_cards_that_ship_are_what_the_code_writes(repository: Path, name: str) -> None:
    folder = repository / f"{name}-service"
    shipped = (folder / CARD_FILE).read_text(encoding="utf-8").splitlines()
    text = written(folder / MODEL_FILE, manifest_of(folder)).splitlines()
    start = shipped.index("|---|---|---|---|") + 1
    end = shipped.index("", start)
    assert end > start
    assert shipped[:start] + shipped[end:] == text
