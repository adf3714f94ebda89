from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np
import pytest

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.identification.cohort import Cohort
from tests.training.engine.test_initialisation import CONFIGURATION, tiny_trunk
from training.data.dataset import Data
from training.data.simulated_revisits import LATER_VISIT
from training.engine.discriminant_folds import FOLDS, Everybody, Fitted, Fold, cohort_paths, fit_discriminant, fold_of
from training.engine.initialisation import build_network, embedded, set_discriminant, shown_features
from training.engine.validation import Embeddings, Scored, ValidationSet
from training.networks import backbones

COPIED = CONFIGURATION.model_copy(update={"copies": 0.5})


@dataclass
class Witness:
    """A judge that remembers what was brought before it."""

    cases: list[tuple[ValidationSet, Embeddings]] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)

    def __call__(self, part: ValidationSet, embeddings: Embeddings, cohort: Cohort | None) -> list[Scored]:
        assert cohort is not None
        self.cases.append((part, embeddings))
        self.cohorts.append(cohort)
        return part.scored(embeddings, cohort)

    def subjects(self) -> list[set[str]]:
        return [{row.subject for p in part.protocols for row in (*p.gallery, *p.queries)} for part, _ in self.cases]


@pytest.fixture(scope="module", autouse=True)
def _tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbones.TRUNKS, "tiny", tiny_trunk)
        yield


@pytest.fixture(scope="module")
def sliced(data: Data) -> Data:
    """The same pictures as slices 0, 1 and 4 of one scan per subject."""
    scan = "scan 1, axial position {:02} of 8".format
    rows = [replace(row, acquisition=scan((0, 1, 4)[i % 3])) for i, row in enumerate(data.rows)]
    return Data(rows, data.pictures, data.recipe, data.validation_share)


@pytest.fixture(scope="module")
def fitted(data: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fitted, Witness]:
    witness = Witness()
    return fit_discriminant(data, COPIED, None, witness, tmp_path_factory.mktemp("run")), witness


def fold(data: Data, number: int) -> Fold:
    return Fold(data.rows, data.pictures, data.recipe, data.validation_share, number)


def everybody(data: Data) -> Everybody:
    return Everybody(data.rows, data.pictures, data.recipe, data.validation_share)


def test_every_subject_is_held_out_of_one_fold_with_all_of_its_pictures(data: Data) -> None:
    held_out = [fold(data, number).validation for number in range(FOLDS)]
    assert all(held_out)
    assert sorted(row.path for part in held_out for row in part) == sorted(row.path for row in data.rows)
    for number, part in enumerate(held_out):
        fitting = fold(data, number).fitting
        assert len(part) + len(fitting) == len(data.rows)
        assert not {row.subject for row in part} & {row.subject for row in fitting}


def test_a_subject_stays_in_its_fold_when_others_come_and_folds_are_about_equal() -> None:
    folds = [fold_of(f"p{i}") for i in range(3000)]
    assert set(folds) == set(range(FOLDS))
    assert max(np.bincount(folds)) < 1.1 * min(np.bincount(folds))
    assert folds[:5] == [fold_of(f"p{i}") for i in range(5)]


def test_nobody_is_held_out_of_what_ships(data: Data) -> None:
    assert everybody(data).fitting == list(data.rows)


def test_every_subject_is_judged_once(data: Data, fitted: tuple[Fitted, Witness]) -> None:
    tracks, witness = fitted[0].tracks, fitted[1]
    judged = witness.subjects()
    assert len(judged) == FOLDS
    assert sum(len(part) for part in judged) == len(set.union(*judged))
    assert set.union(*judged) == {row.subject for row in data.rows}
    assert [track.track for track in tracks] == [f"skin-generated, fold {i + 1} of {FOLDS}" for i in range(FOLDS)]


def test_subjects_are_judged_by_a_discriminant_that_has_not_seen_them(
    data: Data, fitted: tuple[Fitted, Witness]
) -> None:
    shipped, witness = fitted[0].network, fitted[1]
    keras.utils.set_random_seed(COPIED.seed)
    network, trunk = build_network(COPIED, COPIED.size, None)
    pictures = shown_features(trunk, everybody(data), COPIED).as_they_are()
    full = shown_features(trunk, everybody(data), COPIED)
    for number, (part, embeddings) in enumerate(witness.cases):
        unseen = np.stack([pictures[path] for path in part.paths])
        set_discriminant(network, trunk, full.of({row.subject for row in fold(data, number).fitting}), COPIED)
        np.testing.assert_allclose(embeddings, embedded(network, unseen), atol=1e-4)
        assert np.abs(embeddings - embedded(shipped, unseen)).max() > 0.01


def test_what_ships_is_fitted_to_everybody(data: Data, fitted: tuple[Fitted, Witness]) -> None:
    shipped = fitted[0].network
    keras.utils.set_random_seed(COPIED.seed)
    network, trunk = build_network(COPIED, COPIED.size, None)
    set_discriminant(network, trunk, shown_features(trunk, everybody(data), COPIED), COPIED)
    for ours, theirs in zip(network.get_weights(), shipped.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert shipped.output_shape == (None, EMBEDDING_DIMENSION)


def test_people_who_were_not_seen_are_found(fitted: tuple[Fitted, Witness]) -> None:
    assert np.mean([track.score.rank1 for track in fitted[0].tracks]) > 0.7


@pytest.mark.parametrize("size", [64, 224])
def test_where_there_is_one_visit_a_later_one_is_made_of_every_subject(sliced: Data, size: int, tmp_path: Path) -> None:
    witness = Witness()
    configuration = CONFIGURATION.model_copy(update={"neighbours": True, "size": size})
    tracks = fit_discriminant(sliced, configuration, None, witness, tmp_path).tracks
    assert len(witness.cases) == 2 * FOLDS
    for number in range(FOLDS):
        ours, later = witness.subjects()[2 * number : 2 * number + 2]
        assert ours == later == {row.subject for row in fold(sliced, number).validation}
    names = [f"{track}, fold {i + 1} of {FOLDS}" for i in range(FOLDS) for track in ("skin-generated", LATER_VISIT)]
    assert [track.track for track in tracks] == names


def test_the_cohort_of_a_fold_knows_nobody_who_is_judged(data: Data, fitted: tuple[Fitted, Witness]) -> None:
    keras.utils.set_random_seed(COPIED.seed)
    network, trunk = build_network(COPIED, COPIED.size, None)
    full = shown_features(trunk, everybody(data), COPIED)
    pictures = full.as_they_are()
    for number, cohort in enumerate(fitted[1].cohorts):
        fitting = fold(data, number).fitting
        set_discriminant(network, trunk, full.of({row.subject for row in fitting}), COPIED)
        expected = Cohort(embedded(network, np.stack([pictures[row.path] for row in fitting])))
        probes = embedded(network, np.stack(list(pictures.values())))
        assert len(cohort) == len(fitting)
        np.testing.assert_allclose(cohort.levels(probes), expected.levels(probes), atol=1e-3)


def test_the_cohort_that_ships_is_as_large_as_the_smallest_of_the_folds(fitted: tuple[Fitted, Witness]) -> None:
    assert fitted[0].cohort_size == min(len(cohort) for cohort in fitted[1].cohorts)


def test_probes_are_judged_with_their_level_in_the_cohort(fitted: tuple[Fitted, Witness]) -> None:
    for track in fitted[0].tracks:
        assert track.levels is not None
        assert track.levels.shape == track.truth.shape
        assert track.drawn(3).levels is not None


def test_a_cohort_is_drawn_the_same_every_time_and_no_larger_than_it_may_be(data: Data) -> None:
    paths = {row.path for row in data.rows}
    drawn = cohort_paths(data.rows, COPIED, 10)
    assert drawn == cohort_paths(data.rows, COPIED, 10)
    assert len(set(drawn) & paths) == 10
    assert sorted(cohort_paths(data.rows, COPIED)) == sorted(paths)


def test_who_will_be_enrolled_may_be_kept_out_of_the_cohort(data: Data) -> None:
    rows = [replace(row, source="apart" if row.subject < "s04" else "ours") for row in data.rows]
    configuration = COPIED.model_copy(update={"cohort_sources": ("apart",)})
    assert set(cohort_paths(rows, configuration)) == {row.path for row in rows if row.subject < "s04"}
    with pytest.raises(ValueError, match="nobody is left for the cohort"):
        cohort_paths(data.rows, configuration)
