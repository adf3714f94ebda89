from pathlib import Path

import numpy as np
import pytest

from shared.models.golden import check_golden, golden_image
from shared.models.litert_session import LiteRTSession
from shared.models.manifest import MODEL_FILE, ModelManifest, file_digest, read_manifest
from shared.models.protocols import ModelSession


@pytest.fixture
def session(identifier_folder: Path) -> ModelSession:
    return LiteRTSession(identifier_folder)


@pytest.fixture
def manifest(identifier_folder: Path) -> ModelManifest:
    return read_manifest(identifier_folder)


def answering(manifest: ModelManifest, output: tuple[float, ...]) -> ModelManifest:
    """The manifest of a network that answers the golden image so."""
    return manifest.model_copy(update={"golden": manifest.golden.model_copy(update={"output": output})})


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 224, 224, 3), np.uint8)


def test_a_session_knows_its_model(session: ModelSession, identifier_folder: Path) -> None:
    assert session.digest == file_digest(identifier_folder / MODEL_FILE)
    assert session.output_size == 256
    session.close()


def test_each_picture_gets_the_same_row_alone_or_in_a_batch(session: ModelSession) -> None:
    images = pictures(3)
    rows = session.run(images)
    assert rows.shape == (3, 256)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows[1], session.run(images[1:2])[0], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)


def test_no_pictures_are_no_rows(session: ModelSession) -> None:
    assert session.run(pictures(0)).shape == (0, 256)


def test_rows_stay_what_they_are_when_the_session_runs_again(session: ModelSession) -> None:
    images = pictures(2)
    first = session.run(images[:1])
    before = first.copy()
    session.run(images[1:])
    np.testing.assert_array_equal(first, before)


def test_pictures_of_another_size_are_refused(session: ModelSession) -> None:
    with pytest.raises(ValueError, match="Dimension mismatch"):
        session.run(np.zeros((1, 100, 100, 3), np.uint8))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / MODEL_FILE).write_bytes(b"no model")
    with pytest.raises(ValueError, match="not a valid Flatbuffer"):
        LiteRTSession(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=MODEL_FILE):
        LiteRTSession(tmp_path)


@pytest.mark.parametrize("kind", ["identifier", "classifier"])
def test_the_golden_image_gets_the_answer_in_the_manifest(
    kind: str, identifier_folder: Path, classifier_folder: Path
) -> None:
    folder = {"identifier": identifier_folder, "classifier": classifier_folder}[kind]
    check_golden(LiteRTSession(folder), read_manifest(folder))


def test_another_answer_to_the_golden_image_is_refused(session: ModelSession, manifest: ModelManifest) -> None:
    with pytest.raises(ValueError, match=r"answers the golden image wrongly: cosine -1\.0000"):
        check_golden(session, answering(manifest, tuple(-x for x in manifest.golden.output)))


def test_an_answer_of_another_length_is_refused(session: ModelSession, manifest: ModelManifest) -> None:
    with pytest.raises(ValueError, match="answers 256 numbers, not 2"):
        check_golden(session, answering(manifest, (1.0, 0.0)))


def test_an_answer_without_direction_is_refused(manifest: ModelManifest) -> None:
    class Broken:
        digest, output_size = manifest.digest, 256

        def run(self, images: np.ndarray) -> np.ndarray:
            return np.full((len(images), 256), np.nan, np.float32)

        def close(self) -> None:
            """Nothing to free."""

    with pytest.raises(ValueError, match="cosine nan"):
        check_golden(Broken(), manifest)


def test_the_tiny_network_sees_the_picture_at_eight_by_eight(session: ModelSession) -> None:
    image = golden_image()
    tiles = image[0].reshape(8, 28, 8, 28, 3).mean(axis=(1, 3))
    expected = np.concatenate([tiles, tiles.mean(axis=2, keepdims=True)], axis=2).ravel()
    expected -= expected.mean()
    np.testing.assert_allclose(session.run(image)[0], expected / np.linalg.norm(expected), atol=1e-5)


def convert(folder: Path, side: int, kind: str) -> None:
    """Write a LiteRT network that doubles pixels of this size and type, which no training of ours makes."""
    import tensorflow as tf  # noqa: PLC0415 - takes seconds

    signature = [tf.TensorSpec((1, side, side, 3), kind)]
    double = tf.function(lambda images: 2.0 * tf.cast(images, tf.float32)[:, 0, 0], input_signature=signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    (folder / MODEL_FILE).write_bytes(converter.convert())


def test_a_network_may_take_its_pixels_as_float(tmp_path: Path) -> None:
    convert(tmp_path, 224, "float32")
    image = golden_image()
    np.testing.assert_array_equal(LiteRTSession(tmp_path).run(image), 2.0 * image[:, 0, 0])


@pytest.mark.parametrize(("side", "kind"), [(96, "uint8"), (224, "int32")])
def test_a_network_of_other_pixels_is_refused(tmp_path: Path, side: int, kind: str) -> None:
    convert(tmp_path, side, kind)
    said = rf"model\.tflite takes {kind} \(1, {side}, {side}, 3\), not uint8 or float32 \(1, 224, 224, 3\)"
    with pytest.raises(ValueError, match=said):
        LiteRTSession(tmp_path)
