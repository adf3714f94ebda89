"""COMPA's training on generated surfaces, with a backbone of random weights."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training.configuration import AugmentationConfig, ClassifierConfiguration
from training.data.bundle_manifest import Row
from training.data.corruptions import CORRUPTIONS
from training.data.labelled_images import CLEAN, LabelledImage, LabelledImages, LabelledRows, subtype_targets
from training.data.out_of_domain import OutOfDomainImages
from training.engine.classifier import fit_head, split_outputs
from training.engine.feature_cache import FeatureCache, LabelledFeatures
from training.networks.backbones import build_backbone
from training.networks.layers import multiscale_features

LABELS = ("ct", "mri", "other")
NAMES = {"mri": {"flair": r"\bflair\b", "post": r"\bpost\b"}}
CONFIGURATION = ClassifierConfiguration(
    kind="classifier",
    backbone="mobilenet_v2",
    size=32,
    feature_layers=("block_3_expand_relu",),
    training_images=40,
    epochs=30,
    learning_rate=5e-2,
    dropout=0.0,
    hidden_units=16,
    validation_share=0.5,
    validation_corruptions=2,
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
def pictures() -> LabelledImages:
    data = LabelledRows(LABELS, rows())
    shown = {row.path: np.full((50, 40, 3), 10 + 3 * number, np.uint8) for number, row in enumerate(data.rows)}
    return LabelledImages(data, shown, OutOfDomainImages(data.out_of_domain(shown)), CONFIGURATION)


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    return multiscale_features(build_backbone("mobilenet_v2", 32, None), CONFIGURATION.feature_layers)


def test_the_same_number_is_the_same_picture(pictures: LabelledImages) -> None:
    first, again = pictures.training(3), pictures.training(3)
    np.testing.assert_array_equal(first.view, again.view)
    assert (first.label, first.source) == (again.label, again.source)


def test_every_label_is_drawn_as_views_of_the_network(pictures: LabelledImages) -> None:
    drawn = [pictures.training(number) for number in range(40)]
    assert {picture.label for picture in drawn} == {0, 1, 2}
    assert {picture.view.shape for picture in drawn} == {(224, 224, 3)}
    assert {picture.upright for picture in drawn} == {True, False}


def test_validation_shows_each_image_clean_and_corrupted(pictures: LabelledImages) -> None:
    drawn = [picture for picture in pictures.validation() if picture.label < 2]
    clean = [picture for picture in drawn if picture.corruption == CLEAN]
    assert len(drawn) == 3 * len(clean) > 0
    assert {picture.corruption for picture in drawn} <= {CLEAN, *CORRUPTIONS}
    assert all(picture.upright == (picture.corruption == CLEAN) for picture in drawn)


def test_a_modality_without_pictures_is_named() -> None:
    with pytest.raises(ValueError, match="no training images with split=train of mri"):
        LabelledImages(
            LabelledRows(LABELS, [r for r in rows() if r.modality != "mri"]), {}, OutOfDomainImages({}), CONFIGURATION
        )


def test_multiscale_features_are_of_several_layers_and_the_sides(backbone: keras.Model) -> None:
    assert backbone.input_shape == (None, 224, 224, 3)
    assert backbone.output_shape == (None, 144 + 1280 + 1280)


def test_a_negative_has_the_features_of_its_image(backbone: keras.Model) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
    np.testing.assert_allclose(backbone.predict_on_batch(images), backbone.predict_on_batch(255 - images), atol=1e-4)


def test_features_are_computed_once(pictures: LabelledImages, backbone: keras.Model, tmp_path: Path) -> None:
    first = FeatureCache(backbone, LABELS, CONFIGURATION, tmp_path).training(pictures.training, 30)

    asked: list[int] = []

    def draw(number: int) -> LabelledImage:
        asked.append(number)
        return pictures.training(number)

    again = FeatureCache(backbone, LABELS, CONFIGURATION, tmp_path).training(draw, 30)
    assert asked == []
    np.testing.assert_array_equal(first.features, again.features)
    assert (first.sources, first.corruptions) == (again.sources, again.corruptions)
    assert first.features.shape == (30, 2704)


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (LabelledImage(np.zeros((1, 1, 3), np.uint8), 1, "lgg", "session 1, post", upright=True), 1),
        (LabelledImage(np.zeros((1, 1, 3), np.uint8), 1, "lgg", "session 1, postage", upright=True), -1),
        (LabelledImage(np.zeros((1, 1, 3), np.uint8), 1, "lgg", "session 1, post"), -1),
        (LabelledImage(np.zeros((1, 1, 3), np.uint8), 0, "lgg", "session 1, post", upright=True), -1),
    ],
    ids=["known", "no word", "turned", "another modality"],
)
def test_a_sub_type_is_known_of_upright_pictures_of_its_modality(picture: LabelledImage, expected: int) -> None:
    assert subtype_targets([picture], LABELS, NAMES).tolist() == [[expected]]


def test_the_head_learns_labels_and_sub_types(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, kinds = rng.integers(0, 3, 400), rng.integers(0, 2, 400)
    features = np.column_stack([np.eye(3)[labels], kinds, rng.random((400, 4))]).astype(np.float32)
    subtypes = np.where(labels == 1, kinds, -1)[:, np.newaxis]
    known = LabelledFeatures(features, labels, subtypes, ("generated",) * 400, (CLEAN,) * 400)
    head = fit_head(known, known, len(LABELS), CONFIGURATION, tmp_path)
    answers = split_outputs(head.predict(features, verbose=0), LABELS, {"mri": ("flair", "post")})
    assert np.mean(answers["probabilities"].argmax(axis=1) == labels) > 0.99
    assert np.mean(answers["mri"].argmax(axis=1)[labels == 1] == kinds[labels == 1]) > 0.99
    np.testing.assert_allclose(answers["mri"].sum(axis=1), 1.0, atol=1e-5)
    assert (tmp_path / "log.csv").is_file()
