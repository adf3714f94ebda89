"""A discriminant behind a tiny backbone: what it is fitted to, and by whom subjects are scored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import keras
import numpy as np
import pytest

from shared.contracts.internal import EMBEDDING_DIMENSION
from shared.identification.cohort import Cohort
from shared.images.views import square_view
from shared.models.protocols import NETWORK_SIZE
from training.configuration import CalibrationSettings, DiscriminantSettings, IdentifierConfiguration
from training.data.augmentation import augment
from training.data.dataset import Dataset
from training.data.simulated_revisits import LATER_VISIT
from training.data.splits import FOLDS, fold_of
from training.engine.discriminant_folds import (
    FittedIdentifier,
    ImageFeatures,
    cohort_paths,
    embedded,
    fit_discriminant,
    image_features,
    set_discriminant,
)
from training.engine.initialisation import at_size, build_network, in_batches
from training.engine.validation import Embeddings, TrackScores, ValidationSet
from training.export.model_folder import at_network_size

pytestmark = pytest.mark.usefixtures("_tiny")


def configured(*, size: int = 64, later_visits: bool = False, **settings: float | bool) -> IdentifierConfiguration:
    return IdentifierConfiguration(
        kind="identifier",
        backbone="tiny",
        size=size,
        discriminant=DiscriminantSettings.model_validate(settings),
        calibration=CalibrationSettings(simulate_later_visits=later_visits),
    )


PLAIN, COPIED = configured(), configured(augmented_copies=0.5)


@dataclass
class Witness:
    """A scorer that remembers what it was given."""

    cases: list[tuple[ValidationSet, Embeddings]] = field(default_factory=list)
    cohorts: list[Cohort] = field(default_factory=list)

    def __call__(self, part: ValidationSet, embeddings: Embeddings, cohort: Cohort | None) -> list[TrackScores]:
        assert cohort is not None
        self.cases.append((part, embeddings))
        self.cohorts.append(cohort)
        return part.scored(embeddings, cohort)

    def subjects(self) -> list[set[str]]:
        return [{row.subject for p in part.protocols for row in (*p.gallery, *p.queries)} for part, _ in self.cases]


@pytest.fixture(scope="module")
def fitted(data: Dataset) -> tuple[FittedIdentifier, Witness]:
    witness = Witness()
    return fit_discriminant(data, COPIED, None, witness), witness


@pytest.fixture(scope="module")
def backbone(_tiny: None) -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_network(PLAIN, 64, None)[1]


def fresh(data: Dataset) -> tuple[keras.Model, keras.Model, ImageFeatures]:
    """Network and backbone as they start, and the features that a discriminant is fitted to."""
    keras.utils.set_random_seed(COPIED.seed)
    network, backbone = build_network(COPIED, None, None)
    return network, backbone, image_features(backbone, data.all_training(), COPIED)


def views(data: Dataset, size: int) -> np.ndarray:
    """All training images as a network of that size gets them."""
    seen = [square_view(data.recipe(data.pictures[row.path]), NETWORK_SIZE) for row in data.training]
    return np.stack([square_view(view, size) for view in seen]).astype(np.float32)


def test_features_are_of_every_training_image(data: Dataset, backbone: keras.Model) -> None:
    images = image_features(backbone, data, PLAIN)
    assert list(images.rows) == data.training
    assert 0 < len(data.training) < len(data.rows)
    np.testing.assert_allclose(images.features, backbone.predict_on_batch(views(data, 64)), atol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_copy_lies_between_image_and_augmentation(data: Dataset, backbone: keras.Model, share: float) -> None:
    configuration = configured(augmented_copies=share)
    rng = np.random.default_rng(configuration.seed)
    changed = [augment(data.pictures[r.path], NETWORK_SIZE, configuration.augmentation, rng) for r in data.training]
    augmented = in_batches(backbone, changed, at_size(data.recipe, 64))
    images, count = image_features(backbone, data, configuration), len(data.training)
    assert list(images.rows) == [*data.training, *data.training]
    original, copies = images.features[:count], images.features[count:]
    assert np.abs(augmented - original).max() > 0.01
    np.testing.assert_allclose(copies, (1 - share) * original + share * augmented, atol=1e-5)
    unchanged = images.unchanged()
    np.testing.assert_array_equal(np.stack([unchanged[row.path] for row in data.training]), original)


def test_a_mirror_image_is_another_image_of_the_person(data: Dataset, backbone: keras.Model) -> None:
    images = image_features(backbone, data, configured(mirrored_copies=True))
    half = len(data.training)
    np.testing.assert_array_equal(images.labels[:half], images.labels[half:])
    flipped = replace(data, pictures={path: np.ascontiguousarray(p[:, ::-1]) for path, p in data.pictures.items()})
    np.testing.assert_array_equal(images.features[half:], image_features(backbone, flipped, PLAIN).features)


def test_some_subjects_keep_all_of_their_features(data: Dataset, backbone: keras.Model) -> None:
    images = image_features(backbone, data, COPIED)
    some = {row.subject for row in data.training[:4]}
    part = images.of(some)
    kept = [i for i, row in enumerate(images.rows) if row.subject in some]
    np.testing.assert_array_equal(part.features, images.features[kept])
    assert set(part.labels.tolist()) == set(range(len(some)))


def test_a_refined_head_differs_and_finds_the_same_people(data: Dataset) -> None:
    network, backbone, images = fresh(data)
    set_discriminant(network, backbone, images, PLAIN)
    plain = network.get_layer("embedding").get_weights()[0]
    set_discriminant(network, backbone, images, configured(contrastive_steps=20))
    assert np.abs(network.get_layer("embedding").get_weights()[0] - plain).max() > 1e-3
    alike = embedded(network, images.features)
    nearest = (alike @ alike.T - 2 * np.eye(len(alike))).argmax(axis=1)
    subjects = np.array([row.subject for row in images.rows])
    assert np.mean(subjects[nearest] == subjects) > 0.9


@pytest.mark.parametrize("grid", [False, True])
def test_a_rebuilt_network_gives_the_same_embeddings(data: Dataset, grid: bool) -> None:
    configuration = configured(grid=grid, size=NETWORK_SIZE)
    network, backbone = build_network(configuration, None, None)
    images = image_features(backbone, data, configuration)
    set_discriminant(network, backbone, images, configuration)
    embeddings = embedded(network, images.features)
    assert embeddings.shape == (len(data.training), EMBEDDING_DIMENSION)
    served = at_network_size(network, build_network(configuration, NETWORK_SIZE, None)[0])
    pictures = views(data, NETWORK_SIZE)
    for answers in (network.predict_on_batch(pictures), served.predict_on_batch(pictures.astype(np.uint8))):
        np.testing.assert_allclose(answers, embeddings, atol=1e-4)


def test_every_subject_is_held_out_of_one_fold_with_all_images(data: Dataset) -> None:
    held_out = [data.fold(number).validation for number in range(FOLDS)]
    assert all(held_out)
    assert sorted(row.path for part in held_out for row in part) == sorted(row.path for row in data.rows)
    for number, part in enumerate(held_out):
        training = data.fold(number).training
        assert len(part) + len(training) == len(data.rows)
        assert not {row.subject for row in part} & {row.subject for row in training}


def test_folds_are_about_equal() -> None:
    folds = [fold_of(f"p{i}") for i in range(3000)]
    assert set(folds) == set(range(FOLDS))
    assert max(np.bincount(folds)) < 1.1 * min(np.bincount(folds))


def test_every_subject_is_scored_once(data: Dataset, fitted: tuple[FittedIdentifier, Witness]) -> None:
    tracks, scored = fitted[0].tracks, fitted[1].subjects()
    assert len(scored) == FOLDS
    assert sum(len(part) for part in scored) == len(set.union(*scored))
    assert set.union(*scored) == {row.subject for row in data.rows}
    assert [track.track for track in tracks] == [f"skin-generated, fold {i + 1} of {FOLDS}" for i in range(FOLDS)]
    assert np.mean([track.score.rank1 for track in tracks]) > 0.7


def test_neither_discriminant_nor_cohort_has_seen_who_is_scored(
    data: Dataset, fitted: tuple[FittedIdentifier, Witness]
) -> None:
    network, backbone, images = fresh(data)
    unchanged = images.unchanged()
    probes = np.stack(list(unchanged.values()))
    for number, ((part, embeddings), cohort) in enumerate(zip(fitted[1].cases, fitted[1].cohorts, strict=True)):
        training = data.fold(number).training
        unseen = np.stack([unchanged[path] for path in part.paths])
        set_discriminant(network, backbone, images.of({row.subject for row in training}), COPIED)
        np.testing.assert_allclose(embeddings, embedded(network, unseen), atol=1e-4)
        assert np.abs(embeddings - embedded(fitted[0].network, unseen)).max() > 0.01
        expected = Cohort(embedded(network, np.stack([unchanged[row.path] for row in training])))
        assert len(cohort) == len(training)
        np.testing.assert_allclose(
            cohort.levels(embedded(network, probes)), expected.levels(embedded(network, probes)), atol=1e-3
        )


def test_what_ships_is_fitted_to_everybody(data: Dataset, fitted: tuple[FittedIdentifier, Witness]) -> None:
    network, backbone, images = fresh(data)
    set_discriminant(network, backbone, images, COPIED)
    for ours, theirs in zip(network.get_weights(), fitted[0].network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert fitted[0].cohort_size == min(len(cohort) for cohort in fitted[1].cohorts)


@pytest.mark.parametrize("size", [64, 224])
def test_later_visits_are_simulated_of_every_subject(data: Dataset, size: int) -> None:
    scan = "scan 1, axial position {:02} of 8".format
    rows = [replace(row, acquisition=scan((0, 1, 4)[i % 3])) for i, row in enumerate(data.rows)]
    sliced, witness = replace(data, rows=rows), Witness()
    tracks = fit_discriminant(sliced, configured(size=size, later_visits=True), None, witness).tracks
    assert len(witness.cases) == 2 * FOLDS
    for number in range(FOLDS):
        ours, later = witness.subjects()[2 * number : 2 * number + 2]
        assert ours == later == {row.subject for row in sliced.fold(number).validation}
    names = [f"{track}, fold {i + 1} of {FOLDS}" for i in range(FOLDS) for track in ("skin-generated", LATER_VISIT)]
    assert [track.track for track in tracks] == names


def test_probes_are_scored_with_their_level_in_the_cohort(fitted: tuple[FittedIdentifier, Witness]) -> None:
    for track in fitted[0].tracks:
        assert track.levels is not None
        assert track.levels.shape == track.truth.shape
        assert track.drawn(3).levels is not None


def test_a_cohort_is_repeatable_and_bounded(data: Dataset) -> None:
    paths = {row.path for row in data.rows}
    drawn = cohort_paths(data.rows, COPIED, 10)
    assert drawn == cohort_paths(data.rows, COPIED, 10)
    assert len(set(drawn) & paths) == 10
    assert sorted(cohort_paths(data.rows, COPIED)) == sorted(paths)


def test_a_cohort_comes_from_the_configured_sources(data: Dataset) -> None:
    rows = [replace(row, source="apart" if row.subject < "s04" else "ours") for row in data.rows]
    configuration = COPIED.model_copy(update={"calibration": CalibrationSettings(cohort_sources=("apart",))})
    assert set(cohort_paths(rows, configuration)) == {row.path for row in rows if row.subject < "s04"}
    with pytest.raises(ValueError, match="no training image is from the cohort_sources apart"):
        cohort_paths(data.rows, configuration)
