"""The registry of modalities is data that is checked when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.modalities import RecipeSpec, Registry, StepSpec, load_registry

_ENTRY = """
[[modality]]
name = "{name}"
title = "Something"
recipe.steps = [{{ name = "greyscale" }}]
"""


def _registry(tmp_path: Path, text: str) -> Registry:
    path = tmp_path / "registry.toml"
    path.write_text(text, encoding="utf-8")
    return load_registry(path)


def test_the_shipped_registry_has_the_five_modalities_in_order() -> None:
    registry = load_registry()
    assert registry.names == ("ct", "mri", "fundus", "skin", "xray")
    assert [modality.name for modality in registry] == list(registry.names)


def test_a_modality_is_found_by_its_name() -> None:
    assert load_registry()["mri"].title == "Brain MRI slice"
    with pytest.raises(KeyError):
        load_registry()["ecg"]


@pytest.mark.parametrize(("code", "name"), [("CT", "ct"), ("MR", "mri"), ("OP", "fundus"), ("US", None)])
def test_a_dicom_code_names_its_modality_or_none(code: str, name: str | None) -> None:
    modality = load_registry().for_dicom(code)
    assert (modality.name if modality else None) == name


def test_a_new_modality_needs_an_entry_only(tmp_path: Path) -> None:
    registry = _registry(tmp_path, _ENTRY.format(name="xray"))
    assert registry["xray"].threshold == 0.75
    assert registry["xray"].default_url == "http://xray-service:8000"


@pytest.mark.parametrize(
    "text",
    [
        _ENTRY.format(name="ct") + _ENTRY.format(name="ct"),
        _ENTRY.format(name="other"),
        _ENTRY.format(name="Not A Name"),
        _ENTRY.format(name="ct") + "threshold = 1.5\n",
        _ENTRY.format(name="ct") + "colour = 'grey'\n",
        _ENTRY.format(name="ct") + "recipe.size = 100\n",
        "",
    ],
)
def test_a_wrong_registry_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        _registry(tmp_path, text)


def test_keypoint_size_is_at_most_the_size_of_the_recipe(tmp_path: Path) -> None:
    entry = _ENTRY.format(name="ct") + "recipe.size = 256\n"
    assert _registry(tmp_path, entry + "keypoint_size = 256\n")["ct"].keypoint_size == 256
    with pytest.raises(ValidationError, match=r"keypoint_size must be at most recipe\.size, 256"):
        _registry(tmp_path, entry + "keypoint_size = 257\n")


def test_every_further_key_of_a_step_is_a_parameter() -> None:
    step = StepSpec.model_validate({"name": "clahe", "clip_limit": 2.0, "tiles": 8})
    assert step.parameters == {"clip_limit": 2.0, "tiles": 8}
    assert StepSpec(name="greyscale").parameters == {}


def test_a_recipe_can_be_narrowed_to_some_of_its_steps() -> None:
    recipe = RecipeSpec(steps=(StepSpec(name="greyscale"), StepSpec(name="clahe"), StepSpec(name="x", enabled=False)))
    assert [step.enabled for step in recipe.only("clahe", "x").steps] == [False, True, True]
    assert [step.enabled for step in recipe.steps] == [True, True, False]
