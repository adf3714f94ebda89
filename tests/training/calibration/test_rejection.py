import numpy as np
import pytest

from training.calibration.rejection import (
    fit_rejection,
    fitted_temperature,
    rejection_figures,
    share_of,
    subtype_figures,
    tempered,
)
from training.data.labelled_images import CLEAN
from training.engine.feature_cache import LabelledFeatures


def answers(others: np.ndarray) -> np.ndarray:
    """Two modalities and `other`; what is not `other` is the first modality."""
    return np.stack([(1 - others) * 0.99, (1 - others) * 0.01, others], axis=1).astype(np.float32)


@pytest.fixture
def measured() -> tuple[np.ndarray, LabelledFeatures]:
    rng = np.random.default_rng(0)
    others = np.concatenate([rng.beta(0.4, 20, 1000), rng.beta(0.4, 12, 1000), rng.beta(12, 1, 500)])
    labels = np.repeat([0, 2], [2000, 500])
    corruptions = (CLEAN,) * 1000 + ("blurred",) * 1000 + (CLEAN,) * 500
    sources = ("hospital",) * 2000 + ("cats",) * 300 + ("dogs",) * 200
    subtypes = np.where(np.arange(2500) < 100, 0, -1)[:, np.newaxis]
    return answers(others), LabelledFeatures(np.zeros((2500, 1), np.float32), labels, subtypes, sources, corruptions)


def test_the_threshold_keeps_what_was_promised(measured: tuple[np.ndarray, LabelledFeatures]) -> None:
    probabilities, images = measured
    rejection = fit_rejection(probabilities, images.labels, images.corruptions, 0.01)
    refused = tempered(probabilities, rejection.temperature)[:, -1] >= rejection.threshold
    assert refused[:1000].mean() <= 0.01
    assert refused[1000:2000].mean() <= 0.02
    assert refused[2000:].mean() > 0.95


def test_temperature_never_sharpens() -> None:
    sure = answers(np.full(50, 0.001))
    assert fitted_temperature(sure, np.zeros(50, np.intp)) == 1.0
    assert fitted_temperature(sure, np.arange(50) % 2) > 1.5


def test_tempered_rows_sum_to_one() -> None:
    np.testing.assert_allclose(tempered(answers(np.linspace(0, 1, 9)), 2.0).sum(axis=1), 1.0)


def test_the_card_tells_families_never_learned_from_apart(measured: tuple[np.ndarray, LabelledFeatures]) -> None:
    probabilities, images = measured
    rejection = fit_rejection(probabilities, images.labels, images.corruptions, 0.01)
    figures = rejection_figures(probabilities, images, rejection, {"dogs"})
    assert figures["accuracy over the modalities"] == 1.0
    assert "300 pictures" in str(figures["foreign pictures refused"])
    assert "200 pictures" in str(figures["foreign pictures refused, families never learned from"])


def test_the_card_gives_figures_after_each_corruption(measured: tuple[np.ndarray, LabelledFeatures]) -> None:
    probabilities, images = measured
    rejection = fit_rejection(probabilities, images.labels, images.corruptions, 0.01)
    figures = rejection_figures(probabilities, images, rejection, {"dogs"})
    assert figures["accuracy, blurred"] == 1.0
    assert 0.0 < float(figures["good pictures refused, blurred"]) <= 0.02


def test_sub_types_count_where_they_are_known(measured: tuple[np.ndarray, LabelledFeatures]) -> None:
    rows = np.tile(np.array([[0.8, 0.2]], np.float32), (2500, 1))
    figures = subtype_figures({"ct": rows}, measured[1], {"ct": ("scan", "figure")})
    assert figures == {"sub-type of ct (scan, figure)": share_of(np.ones(100, bool))}


def test_a_share_of_nothing_says_so() -> None:
    assert share_of(np.zeros(0, bool)) == "no such pictures"
    assert share_of(np.array([True, False])) == "0.500 (0.095-0.905, 2 pictures)"
