"""The registry of modalities: data, not code. A new modality is a new entry in `registry.toml`."""

from shared.modalities.registry import Modality, RecipeSpec, Registry, RegistrySettings, StepSpec, load_registry

__all__ = ["Modality", "RecipeSpec", "Registry", "RegistrySettings", "StepSpec", "load_registry"]
