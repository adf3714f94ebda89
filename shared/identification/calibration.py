r"""Calibration: from similarities and keypoint matches to probabilities of patients and of `unknown`.

With N patients enrolled, a stranger prior \pi_0 and a flat prior (1 - \pi_0) / N over the patients, Bayes' rule gives

    P(i | x)       \propto  (1 - \pi_0) / N \cdot LR(x_i)
    P(unknown | x) \propto  \pi_0

where LR(x) = p(x | genuine) / p(x | impostor) is the likelihood ratio of one comparison. It combines the cosine s of
the embeddings and the weight w of matching keypoints (`shared.keypoints.geometry`), as logistic regression does
(Brümmer & du Preez 2006, "Application-independent evaluation of speaker detection"):

    log LR(s, w) = scale * s + keypoint_worth * log(1 + (w / keypoint_chance)^4) + const

A few keypoints match by chance and say nothing. Beyond that, impostors become rare as a power of the weight, hence the
logarithm. (A saturating term fits validation patients as well, but rates a rival with similar vessels like the eye
itself. None of the powers 2, 3 and 4 is best everywhere.) The constants are part of `offset`. log N has the factor
`size_exponent`; 1 is Bayes' rule with independent impostors. So the same scores mean less in a larger gallery, and
`unknown` is one more class.

Pictures of a patient may show the same surface or another one (the same eye, or the other eye). Keypoints match only
on the same surface. With l the keypoint term above, b = `repeat_offset` (the log ratio of a repeat shot without
matches) and \rho the share of repeat shots, the term is a mixture:

    log(1 - \rho + \rho * exp(l + b)).

So a dozen chance matches, which one eye in a few hundred has, decide nothing.

On data unlike the validation data, such as a new scanner, cosines may be less reliable. `similarity_limit` bounds
them: scale * s saturates at that limit,

    -log(exp(-scale * s) + exp(-similarity_limit)),

and more certainty must come from keypoints. (Likelihood ratios beyond the data are extrapolations: Vergeer et al. 2016,
"Numerical likelihood ratios outputted by LR systems are often based on extrapolation: when to stop extrapolating?",
Science & Justice 56.)

Some probes are similar to all patients: a blurred picture, an ordinary anatomy. So scores are normalised twice
(adaptive score normalisation: Matějka et al., Interspeech 2017). First, cosines are shifted by the probe's similarity
to the model's cohort of strangers (`shared.identification.cohort`):

    s = cosine - cohort_weight * (level - cohort_level).

Then log likelihood ratios are shifted by the rivals, the candidates behind the first:

    log LR'_i = log LR_i - rival_weight * (mean of the second to sixth log LR - rival_level)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.models.manifest import Calibration

STEEPNESS = 4
"""The power of the keypoint weight."""
REPEAT_SHARE = 0.5
"""Share of a patient's comparisons that show the same surface, if `repeat_offset` is set."""
RIVALS = 5
"""Number of candidates behind the first that count as rivals."""


def normalise_cosines(
    cosines: ArrayLike, levels: NDArray[np.floating] | None, calibration: Calibration
) -> NDArray[np.float64]:
    """Return the similarities for `log_likelihood_ratios`: float (..., n) cosines, shifted by their probe's level.

    `levels` is float (...,), from `Cohort.levels`. If it is None (no cohort), cosines stay unchanged.
    """
    values = np.asarray(cosines, np.float64)
    if levels is None:
        return values
    return values - calibration.cohort_weight * (levels[..., np.newaxis] - calibration.cohort_level)


def log_likelihood_ratios(
    similarities: ArrayLike, weights: Sequence[float | None] | ArrayLike, calibration: Calibration
) -> NDArray[np.float64]:
    """Return log likelihood ratios, float64 (k,), which include the constants of the stranger prior.

    `similarities` are k cosines from `normalise_cosines`. `weights` are those of matching keypoints (0 or more); None
    or nan (not compared) counts as 0.
    """
    surplus = (np.nan_to_num(np.asarray(weights, np.float64)) / calibration.keypoint_chance) ** STEEPNESS
    local = calibration.keypoint_worth * np.log1p(surplus)
    if calibration.repeat_offset is not None:
        local = np.logaddexp(np.log(1 - REPEAT_SHARE), np.log(REPEAT_SHARE) + local + calibration.repeat_offset)
    global_part = calibration.scale * np.asarray(similarities, np.float64)
    if calibration.similarity_limit is not None:
        global_part = -np.logaddexp(-global_part, -calibration.similarity_limit)
    return np.asarray(global_part + local + calibration.offset)


def posterior(ratios: ArrayLike, enrolled_patients: int, calibration: Calibration) -> tuple[NDArray[np.float64], float]:
    """Return the probabilities of the patients behind `ratios`, float64 (k,), and of `unknown`. Their sum is 1.

    `ratios` is float (k,), from `log_likelihood_ratios`, one per patient. If k is smaller than `enrolled_patients`,
    the other patients get probability 0.
    """
    values = np.asarray(ratios, np.float64)
    logits = values - rival_shift(values, calibration) - calibration.size_exponent * np.log(max(enrolled_patients, 1))
    logits = np.append(logits, 0.0)
    weights = np.exp(logits - logits.max())
    probabilities = weights / weights.sum()
    return probabilities[:-1], float(probabilities[-1])


def rival_shift(ratios: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """Return the shift by rivals, float (..., 1), for log likelihood ratios float (..., k); -inf marks no patient.

    It is 0 without rivals: in a gallery of one patient, or for a verification.
    """
    behind = -np.sort(-ratios, axis=-1)[..., 1 : 1 + RIVALS]
    known = np.isfinite(behind)
    count = known.sum(axis=-1, keepdims=True)
    level = np.where(known, behind, 0.0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    return np.where(count > 0, calibration.rival_weight * (level - calibration.rival_level), 0.0)


def verification_probability(similarity: float, weight: float | None, calibration: Calibration) -> float:
    """Return the probability that the probe shows the claimed patient: the posterior in a gallery of one patient.

    `similarity` is a cosine from `normalise_cosines`, `weight` that of matching keypoints.
    """
    return float(posterior(log_likelihood_ratios([similarity], [weight], calibration), 1, calibration)[0][0])
