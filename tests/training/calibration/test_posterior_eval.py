import numpy as np

from shared.identification.matching import MAX_CANDIDATES
from shared.models.manifest import Calibration
from training.calibration.posterior_eval import Array, CalibratedPosterior, answer


def test_only_the_nearest_enter_the_posterior() -> None:
    sizes = []

    def remember(scores: Array, enrolled: int) -> tuple[Array, float]:
        sizes.append((len(scores), enrolled, float(scores[0])))
        return np.zeros(len(scores)), 1.0

    row = np.random.default_rng(0).permutation(MAX_CANDIDATES + 50).astype(float)
    assert answer(row[np.newaxis], remember).first.tolist() == [int(row.argmax())]
    assert sizes == [(MAX_CANDIDATES, MAX_CANDIDATES + 50, row.max())]


def test_outcomes_are_those_of_the_serving_rule() -> None:
    ratios = np.array([[3.0, -9.0], [0.2, -9.0], [-9.0, -8.0]])
    answers = answer(ratios, CalibratedPosterior(Calibration(scale=1.0, offset=0.0, size_exponent=0.0)))
    assert answers.outcomes(0.75).tolist() == ["identified", "candidates", "unknown"]
    assert answers.outcomes(None).tolist() == ["candidates"] * 3
