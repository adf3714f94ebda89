"""Reading and checking the registry of modalities."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

OTHER = "other"
"""COMPA's label for an image that is none of the modalities."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class StepSpec(BaseModel):
    """One named preprocessing step with its parameters (every further key of the entry)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    enabled: bool = True

    @property
    def parameters(self) -> dict[str, Any]:
        """Keyword arguments of the step's function."""
        return dict(self.model_extra or {})


class RecipeSpec(BaseModel):
    """How a decoded image becomes the view that the identification service receives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=224, le=512)] = 224
    steps: tuple[StepSpec, ...] = ()

    def same_as(self, other: RecipeSpec) -> bool:
        """Whether both make the same of every image: steps that are off do not count."""
        mine, theirs = ([step for step in recipe.steps if step.enabled] for recipe in (self, other))
        return self.size == other.size and mine == theirs

    def only(self, *names: str) -> RecipeSpec:
        """The same recipe with the named steps switched on and all others off (ablations)."""
        return RecipeSpec(
            size=self.size, steps=tuple(s.model_copy(update={"enabled": s.name in names}) for s in self.steps)
        )


class Modality(BaseModel):
    """One modality: what the gateway and its service must know about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,30}$")]
    title: str
    threshold: Probability = 0.75
    verify_threshold: Probability = 0.75
    dicom_modalities: tuple[str, ...] = ()
    local_verification: bool = False
    upright: bool = False
    keypoint_size: Annotated[int, Field(ge=64, le=512)] | None = None
    further_candidates: Annotated[int, Field(ge=0, le=80)] = 0
    recipe: RecipeSpec

    @model_validator(mode="after")
    def _keypoints_have_room(self) -> Modality:
        if self.keypoint_size is not None and self.keypoint_size > self.recipe.size:
            raise ValueError(
                f"keypoint_size must be at most recipe.size, {self.recipe.size}: a view is not made larger"
            )
        return self

    @property
    def default_url(self) -> str:
        """Where the service answers in a container network, unless a setting says otherwise."""
        return f"http://{self.name}-service:8000"


class Registry(BaseModel):
    """All modalities, in the order of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    modality: tuple[Modality, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Registry:
        names = self.names
        if len(set(names)) != len(names) or OTHER in names:
            raise ValueError(f"modality names must be unique and none may be {OTHER!r}: {names}")
        return self

    def __iter__(self) -> Iterator[Modality]:  # type: ignore[override]
        return iter(self.modality)

    def __getitem__(self, name: str) -> Modality:
        """The modality of that name; KeyError where there is none."""
        for modality in self.modality:
            if modality.name == name:
                return modality
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the file; also COMPA's labels, without `other`."""
        return tuple(m.name for m in self.modality)

    def for_dicom(self, code: str) -> Modality | None:
        """The modality that a DICOM Modality (0008,0060) value names, or None."""
        return next((m for m in self.modality if code in m.dicom_modalities), None)


def load_registry(path: Path | None = None) -> Registry:
    """The registry of `path`, or the one that ships; raises pydantic.ValidationError where it is wrong."""
    text = (path or resources.files("shared.modalities").joinpath("registry.toml")).read_text(encoding="utf-8")
    return Registry.model_validate(tomllib.loads(text))
