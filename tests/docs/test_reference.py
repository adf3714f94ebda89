"""The reference pages that are written by hand name everything that the code knows."""

from __future__ import annotations

from itertools import chain

import pytest

from shared.modalities.registry import Modality, RecipeSpec
from tests.docs.markdown import ROOT
from training.data.bundle_manifest import ALLOWED, COLUMNS

FIELDS = [*(set(Modality.model_fields) - {"recipe"}), *(f"recipe.{field}" for field in RecipeSpec.model_fields)]


@pytest.mark.parametrize(
    ("page", "names"),
    [("registry.md", FIELDS), ("manifest.md", [*COLUMNS, *filter(None, chain(*ALLOWED.values()))])],
    ids=["registry", "manifest"],
)
def test_every_name_of_the_code_is_on_the_page(page: str, names: list[str]) -> None:
    text = (ROOT / "docs/reference" / page).read_text(encoding="utf-8")
    assert not [name for name in names if f"`{name}`" not in text]
