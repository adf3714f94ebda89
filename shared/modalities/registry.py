"""Read and check the registry of modalities."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

OTHER = "other"
"""COMPA's label for an image that is none of the modalities."""

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class StepSpec(BaseModel):
    """One named preprocessing step. All other keys of the entry are its parameters."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    enabled: bool = True

    @property
    def parameters(self) -> dict[str, Any]:
        """Keyword arguments for the step's function."""
        return dict(self.model_extra or {})


class RecipeSpec(BaseModel):
    """The preprocessing of a modality: size of the square view, whether marks are removed, and steps in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=224, le=512)] = 224
    remove_graphics: bool = False
    steps: tuple[StepSpec, ...] = ()

    def same_as(self, other: RecipeSpec) -> bool:
        """Whether both recipes give the same view of every image without marks. Disabled steps do not count."""
        mine, theirs = ([step for step in recipe.steps if step.enabled] for recipe in (self, other))
        return self.size == other.size and mine == theirs

    def only(self, *names: str) -> RecipeSpec:
        """Return this recipe with only the named steps enabled (for ablations)."""
        return RecipeSpec(
            size=self.size,
            remove_graphics=self.remove_graphics,
            steps=tuple(s.model_copy(update={"enabled": s.name in names}) for s in self.steps),
        )


class Modality(BaseModel):
    """One modality: settings for the gateway and its service. `registry.toml` explains them."""

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
        """The URL of the service in a container network, unless a setting overrides it."""
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
        """Return the modality of that name. Raises KeyError if there is none."""
        for modality in self.modality:
            if modality.name == name:
                return modality
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the file. They are also COMPA's labels, without `other`."""
        return tuple(m.name for m in self.modality)

    def for_dicom(self, code: str) -> Modality | None:
        """Return the modality for a value of DICOM Modality (0008,0060), or None."""
        return next((m for m in self.modality if code in m.dicom_modalities), None)


class RegistrySettings(BaseSettings):
    """Location of the registry. The gateway and all identification services must use the same one."""

    model_config = SettingsConfigDict(env_prefix="MEDREID_", frozen=True, extra="ignore")

    registry: Annotated[
        Path | None, Field(description="File with the registry of modalities. Default: the shipped one.")
    ] = None


def load_registry(path: Path | None = None) -> Registry:
    """Read the registry at `path`, or the shipped one. Raises pydantic.ValidationError if it is invalid."""
    text = (path or resources.files("shared.modalities").joinpath("registry.toml")).read_text(encoding="utf-8")
    return Registry.model_validate(tomllib.loads(text))
