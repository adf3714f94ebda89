from __future__ import annotations

from pathlib import Path

import pytest

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.images.recipes import build_recipe
from shared.modalities import RecipeSpec
from training.configuration import IdentifierConfiguration
from training.datasets.manifest import read_manifest
from training.datasets.pictures import load_pictures
from training.frozen import FOLDS, Fold, whiten_identifier
from training.identification import Data
from training.validation import Embed, Scored, ValidationSet

CONFIGURATION = IdentifierConfiguration(kind="identifier", trunk="mobilenet_v2", size=64, epochs=0)


@pytest.fixture(scope="module")
def data(bundle: Path) -> Data:
    rows = [row for row in read_manifest(bundle) if row.subject < "s09"]
    return Data(rows, load_pictures(bundle, rows), build_recipe(RecipeSpec(size=224)), 0.2)


def fold(data: Data, number: int) -> Fold:
    return Fold(data.rows, data.pictures, data.recipe, data.validation_share, number)


def test_every_subject_is_held_out_of_one_fold_with_all_of_its_pictures(data: Data) -> None:
    held_out = [fold(data, number).validation for number in range(FOLDS)]
    assert sorted(row.path for part in held_out for row in part) == sorted(row.path for row in data.rows)
    for number, part in enumerate(held_out):
        assert not {row.subject for row in part} & {row.subject for row in fold(data, number).fitting}


def test_what_ships_is_whitened_by_everybody(data: Data) -> None:
    everybody = fold(data, FOLDS)
    assert (everybody.fitting, everybody.validation) == (list(data.rows), [])


def test_all_subjects_are_judged_by_whitenings_that_have_not_seen_them(data: Data) -> None:
    judged: list[set[str]] = []

    def judge(part: ValidationSet, embed: Embed) -> list[Scored]:
        judged.append({row.subject for protocol in part.protocols for row in protocol.gallery})
        return part.scored(part.embeddings(embed))

    network, tracks = whiten_identifier(data, CONFIGURATION, None, judge)
    assert set.union(*judged) == {row.subject for row in data.rows}
    assert [track.track for track in tracks] == [f"skin-generated, fold {i + 1} of {FOLDS}" for i in range(FOLDS)]
    assert network.output_shape == (None, EMBEDDING_DIMENSION)
