import numpy as np
import pytest

from shared.identification.matching import decode_embedding, encode_embedding, pool


def unit(*numbers: float) -> np.ndarray:
    row = np.array(numbers, np.float32)
    return row / np.linalg.norm(row)


def test_one_image_is_its_own_probe() -> None:
    np.testing.assert_allclose(pool(unit(3, 4)[np.newaxis]), [0.6, 0.8], rtol=1e-6)


def test_the_mean_of_several_images_has_unit_length() -> None:
    probe = pool(np.stack([unit(1, 0), unit(0, 1)]))
    assert probe.dtype == np.float32
    np.testing.assert_allclose(probe, unit(1, 1), rtol=1e-6)


def test_images_that_cancel_each_other_out_match_no_patient() -> None:
    assert np.abs(pool(np.stack([unit(1, 0), unit(-1, 0)]))).max() == 0


@pytest.mark.parametrize("order", ["<f4", ">f4", "<f8"])
def test_an_embedding_travels_as_little_endian_float32(order: str) -> None:
    embedding = unit(1, -2, 3).astype(order)
    data = encode_embedding(embedding)
    assert data == embedding.astype("<f4").tobytes()
    np.testing.assert_allclose(decode_embedding(data), unit(1, -2, 3))
