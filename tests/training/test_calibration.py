from dataclasses import replace

import numpy as np
import pytest

from shared.identification.calibration import evidence, posterior
from shared.models.folder import Calibration
from training.calibration import STRANGER_PRIOR, fit_calibration
from training.validation import Scored

SUBJECTS = [f"p{i}" for i in range(200)]


def normal_scores(queries: int, rng: np.random.Generator) -> Scored:
    """Genuine cosines N(0.7, 0.1), impostors N(0.2, 0.1): log LR is linear, slope 50, zero at 0.45."""
    similarities = rng.normal(0.2, 0.1, (queries, len(SUBJECTS)))
    truth = rng.integers(0, len(SUBJECTS), queries)
    similarities[np.arange(queries), truth] = rng.normal(0.7, 0.1, queries)
    return Scored("t", SUBJECTS, truth, similarities.astype(np.float32))


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    return fit_calibration([normal_scores(600, np.random.default_rng(0))], seed=1)


def test_the_fit_recovers_the_log_likelihood_ratio(fitted: Calibration) -> None:
    assert fitted.scale == pytest.approx(50, rel=0.25)
    assert -fitted.offset / fitted.scale == pytest.approx(0.45, abs=0.05)


def test_fitted_probabilities_are_calibrated_on_fresh_probes(fitted: Calibration) -> None:
    fresh = normal_scores(1000, np.random.default_rng(7))
    tops, hits = [], []
    for i, (scores, truth) in enumerate(zip(fresh.similarities, fresh.truth, strict=True)):
        stranger = i < STRANGER_PRIOR * len(fresh.truth)
        asked = np.delete(scores, truth) if stranger else scores
        probabilities, _ = posterior(evidence(asked, np.zeros(len(asked)), fitted), len(asked), fitted)
        tops.append(probabilities.max())
        hits.append(not stranger and int(probabilities.argmax()) == truth)
    assert np.mean(tops) == pytest.approx(np.mean(hits), abs=0.03)


def test_strangers_are_mostly_unknown(fitted: Calibration) -> None:
    rng = np.random.default_rng(3)
    unknown = [
        posterior(evidence(rng.normal(0.2, 0.1, 200), np.zeros(200), fitted), 200, fitted)[1] for _ in range(300)
    ]
    assert np.mean(np.array(unknown) > 0.5) > 0.9


def with_inliers(track: Scored, genuine: float, rng: np.random.Generator) -> Scored:
    """Impostors agree in about three keypoints, patients in about `genuine`."""
    inliers = rng.poisson(3.0, track.similarities.shape).astype(np.float32)
    inliers[np.arange(len(track.truth)), track.truth] = rng.poisson(genuine, len(track.truth))
    return replace(track, inliers=inliers)


def test_made_shots_teach_what_keypoints_are_worth_where_real_ones_cannot() -> None:
    rng = np.random.default_rng(2)
    real = with_inliers(normal_scores(60, rng), 3.0, rng)
    made = with_inliers(normal_scores(60, rng), 40.0, rng)
    alone, taught = fit_calibration([real], 1), fit_calibration([real], 1, [made])
    many, few = (evidence([0.3], [count], taught)[0] for count in (40, 3))
    assert many - few > 10
    assert many - few > evidence([0.3], [40], alone)[0] - evidence([0.3], [3], alone)[0]
    assert taught.scale == pytest.approx(alone.scale, rel=0.5)
