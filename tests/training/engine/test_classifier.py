"""COMPA's training on generated surfaces, with a trunk of random weights."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training.data.augmentation import AugmentationConfig
from training.data.bundle_manifest import Row
from training.data.corruptions import MISHAPS
from training.data.labelled_images import CLEAN, Drawn, LabelledPictures, LabelledRows
from training.data.out_of_domain import ForeignPictures
from training.data.subtypes import subtype_targets
from training.engine.classifier import answers_of, fit_head
from training.engine.configuration import ClassifierConfiguration
from training.engine.feature_cache import Lessons, Reader
from training.networks.backbones import build_trunk
from training.networks.multiscale_features import tapped

LABELS = ("ct", "mri", "other")
NAMES = {"mri": {"flair": r"\bflair\b", "post": r"\bpost\b"}}
CONFIGURATION = ClassifierConfiguration(
    kind="classifier",
    trunk="mobilenet_v2",
    size=32,
    taps=("block_3_expand_relu",),
    pictures=40,
    epochs=30,
    learning_rate=5e-2,
    dropout=0.0,
    dense=16,
    validation_share=0.5,
    validation_mishaps=2,
    subtypes=NAMES,
    augmentation=AugmentationConfig(rotation=180),
)


def rows() -> list[Row]:
    modalities = ("ct", "mri", "cats")
    return [
        Row(f"{m}-{n}.png", m, m, f"{m}-{n}", "series 1, flair" if n % 2 else "series 1, post", "", "train", "train")
        for m in modalities
        for n in range(24)
    ]


@pytest.fixture(scope="module")
def pictures() -> LabelledPictures:
    data = LabelledRows(LABELS, rows())
    shown = {row.path: np.full((50, 40, 3), 10 + 3 * number, np.uint8) for number, row in enumerate(data.rows)}
    return LabelledPictures(data, shown, ForeignPictures(data.foreign_pictures(shown)), CONFIGURATION)


@pytest.fixture(scope="module")
def trunk() -> keras.Model:
    return tapped(build_trunk("mobilenet_v2", 32, None), CONFIGURATION.taps)


def test_the_same_number_is_the_same_picture(pictures: LabelledPictures) -> None:
    first, again = pictures.training(3), pictures.training(3)
    np.testing.assert_array_equal(first.view, again.view)
    assert (first.label, first.source) == (again.label, again.source)


def test_every_label_is_drawn_as_views_of_the_network(pictures: LabelledPictures) -> None:
    drawn = [pictures.training(number) for number in range(40)]
    assert {picture.label for picture in drawn} == {0, 1, 2}
    assert {picture.view.shape for picture in drawn} == {(224, 224, 3)}
    assert {picture.upright for picture in drawn} == {True, False}


def test_validation_shows_each_picture_as_it_is_and_after_mishaps(pictures: LabelledPictures) -> None:
    drawn = [picture for picture in pictures.validation() if picture.label < 2]
    clean = [picture for picture in drawn if picture.mishap == CLEAN]
    assert len(drawn) == 3 * len(clean) > 0
    assert {picture.mishap for picture in drawn} <= {CLEAN, *MISHAPS}
    assert all(picture.upright == (picture.mishap == CLEAN) for picture in drawn)


def test_a_modality_without_pictures_is_named() -> None:
    with pytest.raises(ValueError, match="no pictures to learn mri from"):
        LabelledPictures(
            LabelledRows(LABELS, [r for r in rows() if r.modality != "mri"]), {}, ForeignPictures({}), CONFIGURATION
        )


def test_a_tapped_trunk_reads_several_depths_and_the_sides(trunk: keras.Model) -> None:
    assert trunk.input_shape == (None, 224, 224, 3)
    assert trunk.output_shape == (None, 144 + 1280 + 1280)


def test_a_tapped_trunk_reads_a_negative_as_its_picture(trunk: keras.Model) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
    np.testing.assert_allclose(trunk.predict_on_batch(images), trunk.predict_on_batch(255 - images), atol=1e-4)


def test_what_was_read_is_not_read_again(pictures: LabelledPictures, trunk: keras.Model, tmp_path: Path) -> None:
    first = Reader(trunk, LABELS, CONFIGURATION, tmp_path).training(pictures.training, 30)

    asked: list[int] = []

    def draw(number: int) -> Drawn:
        asked.append(number)
        return pictures.training(number)

    again = Reader(trunk, LABELS, CONFIGURATION, tmp_path).training(draw, 30)
    assert asked == []
    np.testing.assert_array_equal(first.features, again.features)
    assert (first.sources, first.mishaps) == (again.sources, again.mishaps)
    assert first.features.shape == (30, 2704)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Drawn(np.zeros((1, 1, 3), np.uint8), 1, "lgg", "session 1, post", upright=True), 1),
        (Drawn(np.zeros((1, 1, 3), np.uint8), 1, "lgg", "session 1, postage", upright=True), -1),
        (Drawn(np.zeros((1, 1, 3), np.uint8), 1, "lgg", "session 1, post"), -1),
        (Drawn(np.zeros((1, 1, 3), np.uint8), 0, "lgg", "session 1, post", upright=True), -1),
    ],
    ids=["known", "no word", "turned", "another modality"],
)
def test_a_sub_type_is_known_of_upright_pictures_of_its_modality(picture: Drawn, expected: int) -> None:
    assert subtype_targets([picture], LABELS, NAMES).tolist() == [[expected]]


def test_the_head_learns_labels_and_sub_types(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, kinds = rng.integers(0, 3, 400), rng.integers(0, 2, 400)
    features = np.column_stack([np.eye(3)[labels], kinds, rng.random((400, 4))]).astype(np.float32)
    subtypes = np.where(labels == 1, kinds, -1)[:, np.newaxis]
    lessons = Lessons(features, labels, subtypes, ("generated",) * 400, (CLEAN,) * 400)
    head = fit_head(lessons, lessons, len(LABELS), CONFIGURATION, tmp_path)
    answers = answers_of(head.predict(features, verbose=0), LABELS, {"mri": ("flair", "post")})
    assert np.mean(answers["probabilities"].argmax(axis=1) == labels) > 0.99
    assert np.mean(answers["mri"].argmax(axis=1)[labels == 1] == kinds[labels == 1]) > 0.99
    np.testing.assert_allclose(answers["mri"].sum(axis=1), 1.0, atol=1e-5)
    assert (tmp_path / "log.csv").is_file()
