"""Recipes: preprocess a decoded image to the view of an identification service. Training uses the same code."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from shared.images.graphics import remove_graphics
from shared.images.steps import STEPS
from shared.images.views import Image, square_view
from shared.modalities import RecipeSpec, StepSpec


@dataclass(frozen=True)
class Recipe:
    """A checked recipe. Create it with `build_recipe`."""

    size: int
    steps: tuple[Callable[[Image], Image], ...]

    def __call__(self, image: Image) -> Image:
        """Return uint8 (size, size, 3) RGB for uint8 (h, w, 3) RGB: the square view, then every step in order.

        Pixels stay 0-255. The exported network scales them to the range of its backbone.
        """
        view = square_view(np.ascontiguousarray(image), self.size)
        for step in self.steps:
            view = step(view)
        return view


def build_recipe(spec: RecipeSpec) -> Recipe:
    """Return the recipe. Raises ValueError if a step, enabled or not, is unknown or has a wrong parameter."""
    steps = [step for step, enabled in [(_build_step(step), step.enabled) for step in spec.steps] if enabled]
    return Recipe(spec.size, (remove_graphics, *steps) if spec.remove_graphics else tuple(steps))


def _build_step(spec: StepSpec) -> Callable[[Image], Image]:
    function = STEPS.get(spec.name)
    if function is None:
        raise ValueError(f"there is no preprocessing step {spec.name!r}; known are {', '.join(STEPS)}")
    try:
        parameters = _parameters_of(function).model_validate(spec.parameters)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(f"step {spec.name!r} has wrong parameters: {faults}") from error
    step = partial(function, **parameters.model_dump())
    step(np.zeros((8, 8, 3), dtype=np.uint8))  # raises if parameters contradict each other
    return step


@cache
def _parameters_of(function: Callable[..., Image]) -> type[BaseModel]:
    """Return a pydantic model of a step's keyword-only parameters, with their annotations and defaults."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
