"""A recipe is checked when it is built, and then gives the same bytes to training and to serving."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from shared.images.graphics import remove_graphics
from shared.images.recipes import build_recipe
from shared.images.steps import clahe, gaussian_denoising, greyscale
from shared.images.views import Image, square_view
from shared.modalities import Modality, RecipeSpec, StepSpec, load_registry


def _spec(*steps: dict[str, Any], size: int = 224) -> RecipeSpec:
    return RecipeSpec.model_validate({"size": size, "steps": steps})


def test_a_recipe_without_steps_is_the_square_view(photo: Image) -> None:
    np.testing.assert_array_equal(build_recipe(_spec(size=256))(photo), square_view(photo, 256))


def test_the_steps_are_applied_in_order(photo: Image) -> None:
    spec = _spec({"name": "greyscale"}, {"name": "clahe", "clip_limit": 3.0, "tiles": 4}, _denoising(0.8))
    by_hand = gaussian_denoising(clahe(greyscale(square_view(photo, 224)), clip_limit=3.0, tiles=4), sigma=0.8)
    np.testing.assert_array_equal(build_recipe(spec)(photo), by_hand)


def test_a_step_that_is_switched_off_is_left_out(photo: Image) -> None:
    without = _spec({"name": "greyscale"}, {**_denoising(2.0), "enabled": False})
    np.testing.assert_array_equal(build_recipe(without)(photo), build_recipe(_spec({"name": "greyscale"}))(photo))


def test_marks_are_removed_before_the_steps(photo: Image) -> None:
    steps = (StepSpec(name="greyscale"),)
    marked = photo.copy()
    cv2.putText(marked, "R 12.03.1957", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (255,) * 3, 3)
    view = build_recipe(RecipeSpec(size=256, remove_graphics=True, steps=steps))(marked)
    np.testing.assert_array_equal(view, greyscale(remove_graphics(square_view(marked, 256))))
    assert not np.array_equal(view, build_recipe(RecipeSpec(size=256, steps=steps))(marked))


def test_a_recipe_takes_any_memory_layout(photo: Image) -> None:
    recipe = build_recipe(_spec({"name": "lightness_clahe"}, _denoising(0.6)))
    np.testing.assert_array_equal(recipe(np.asfortranarray(photo)), recipe(photo))
    np.testing.assert_array_equal(recipe(photo[::-1]), recipe(photo[::-1].copy()))


@pytest.mark.parametrize("modality", list(load_registry()), ids=lambda modality: modality.name)
def test_every_shipped_recipe_can_be_built_and_applied(modality: Modality, photo: Image) -> None:
    size = modality.recipe.size
    view = build_recipe(modality.recipe)(photo)
    assert view.shape == (size, size, 3)
    assert view.dtype == np.uint8


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"name": "sharpen"}, "no preprocessing step 'sharpen'"),
        ({"name": "greyscale", "sigma": 1.0}, "'greyscale' has wrong parameters: sigma"),
        ({"name": "gaussian_denoising"}, "sigma: Field required"),
        ({"name": "gaussian_denoising", "sigma": 0}, "sigma: .*greater than 0"),
        ({"name": "gaussian_denoising", "sigma": "much"}, "sigma: .*valid number"),
        ({"name": "clahe", "tiles": 0}, "tiles: .*greater than or equal to 1"),
        ({"name": "clahe", "tiles": 2.5}, "tiles: .*valid integer"),
        ({"name": "canny_overlay", "low": 60, "high": 160, "opacity": 1.5}, "opacity: .*less than or equal to 1"),
        ({"name": "canny_overlay", "low": 160, "high": 60, "opacity": 0.5}, "low must not exceed high"),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_wrong_step_is_refused_when_the_recipe_is_built(step: dict[str, Any], message: str, enabled: bool) -> None:
    with pytest.raises(ValueError, match=message):
        build_recipe(RecipeSpec(steps=(StepSpec.model_validate({**step, "enabled": enabled}),)))


def _denoising(sigma: float) -> dict[str, Any]:
    return {"name": "gaussian_denoising", "sigma": sigma}
