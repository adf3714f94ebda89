r"""From what was compared to the probability of each enrolled patient and of "nobody who is enrolled".

With N patients enrolled, a stranger prior \pi_0 and a flat prior (1 - \pi_0) / N over the patients, Bayes' rule gives

    P(i | x)       \propto  (1 - \pi_0) / N \cdot LR(x_i)
    P(unknown | x) \propto  \pi_0

where LR(x) = p(x | genuine) / p(x | impostor) is the likelihood ratio of one comparison. It is fused from the cosine s
of the global embeddings and the weight w of the keypoints that agree under a geometric model
(`shared.keypoints.geometry`), as logistic regression does (Brümmer & du Preez 2006, "Application-independent evaluation
of speaker detection"):

    log LR(s, w) = scale * s + keypoint_worth * log(1 + (w / keypoint_chance)^4) + const

A few keypoints agree by chance and say nothing; beyond, strangers become rare as a power of the weight, which is what a
logarithm says of them. (A part that levels off makes validation subjects as likely, but takes a rival whose vessels run
alike for as good as the eye itself; of the powers 2, 3 and 4 none is better everywhere.) The constants join in
`offset`; log N carries `size_exponent` (1 is Bayes' rule with independent impostors). So the same evidence means less
in a larger gallery, and "unknown" is one more class.

Where a patient's pictures may show the same surface again or another one (a second shot of an eye, or the other eye),
keypoints can tell of the first alone. With l the local part above, b its `repeat_offset` (what it is worth that a
repeat shot agrees in nothing) and \rho the share of repeats, it is a mixture then,

    log(1 - \rho + \rho * exp(l + b)),

so that a dozen keypoints which agree by chance, as happens to one eye in a few hundred, make nobody sure.

Where cosines may tell less of the people who will be asked about than of those it was fitted on, as with a scanner
that training has not seen, `similarity_limit` bounds what they say: scale * s levels off towards that limit,

    -log(exp(-scale * s) + exp(-similarity_limit)),

so that further evidence must come from keypoints. (Likelihood ratios beyond what data shows are extrapolations:
Vergeer et al. 2016, "Numerical likelihood ratios outputted by LR systems are often based on extrapolation: when to stop
extrapolating?", Science & Justice 56.)

Some probes are near to everybody: a blurred picture, an ordinary anatomy. So scores are normalised, twice (adaptive
score normalisation: Matějka et al., Interspeech 2017). Cosines, before anything else, by how near the probe is to the
model's cohort of strangers (`shared.identification.cohort`),

    s = cosine - cohort_weight * (level - cohort_level),

and the likelihood ratios by the rivals, the candidates behind the first:

    log LR'_i = log LR_i - rival_weight * (mean of the second to sixth log LR - rival_level)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.models.manifest import Calibration

STEEPNESS = 4
REPEATS = 0.5
"""Share of the comparisons of a patient's pictures that show the same surface, where they may show another one."""
RIVALS = 5
"""Candidates behind the first that say how near the probe is to anybody."""


def normalise_cosines(
    cosines: ArrayLike, levels: NDArray[np.floating] | None, calibration: Calibration
) -> NDArray[np.float64]:
    """What `evidence` takes as similarities: float (..., n) `cosines` of n comparisons, less the level of their probe.

    `levels` is float (...,), of `Cohort.levels`; None where the model has no cohort: then cosines stay as they are.
    """
    values = np.asarray(cosines, np.float64)
    if levels is None:
        return values
    return values - calibration.cohort_weight * (levels[..., np.newaxis] - calibration.cohort_level)


def log_likelihood_ratios(
    similarities: ArrayLike, weights: Sequence[float | None] | ArrayLike, calibration: Calibration
) -> NDArray[np.float64]:
    """Log likelihood ratios, float (k,), the stranger prior's share included.

    `similarities` are k cosines after `normalised`; `weights` those of the keypoints that agree, None (or nan) where
    none were compared: that counts as 0.
    """
    surplus = (np.nan_to_num(np.asarray(weights, np.float64)) / calibration.keypoint_chance) ** STEEPNESS
    local = calibration.keypoint_worth * np.log1p(surplus)
    if calibration.repeat_offset is not None:
        local = np.logaddexp(np.log(1 - REPEATS), np.log(REPEATS) + local + calibration.repeat_offset)
    told = calibration.scale * np.asarray(similarities, np.float64)
    if calibration.similarity_limit is not None:
        told = -np.logaddexp(-told, -calibration.similarity_limit)
    return np.asarray(told + local + calibration.offset)


def posterior(ratios: ArrayLike, enrolled_patients: int, calibration: Calibration) -> tuple[NDArray[np.float64], float]:
    """Probabilities of the patients behind `ratios` and of unknown; together they sum to 1.

    `ratios` is float (k,), the `evidence` of one comparison per patient. Where k is smaller than `enrolled_patients`,
    the others are taken as far from the probe (their probability as 0).
    """
    values = np.asarray(ratios, np.float64)
    logits = values - rival_shift(values, calibration) - calibration.size_exponent * np.log(max(enrolled_patients, 1))
    logits = np.append(logits, 0.0)
    weights = np.exp(logits - logits.max())
    probabilities = weights / weights.sum()
    return probabilities[:-1], float(probabilities[-1])


def rival_shift(ratios: NDArray[np.float64], calibration: Calibration) -> NDArray[np.float64]:
    """What score normalisation takes off, float (..., 1), of `evidence` float (..., k); -inf stands for nobody.

    0 where there is nobody behind the first: a gallery of one, or the claim of one patient.
    """
    behind = -np.sort(-ratios, axis=-1)[..., 1 : 1 + RIVALS]
    known = np.isfinite(behind)
    count = known.sum(axis=-1, keepdims=True)
    level = np.where(known, behind, 0.0).sum(axis=-1, keepdims=True) / np.maximum(count, 1)
    return np.where(count > 0, calibration.rival_weight * (level - calibration.rival_level), 0.0)


def verification_probability(similarity: float, weight: float | None, calibration: Calibration) -> float:
    """Probability that one claimed patient is the person: the posterior of a gallery of one.

    `similarity` is the cosine after `normalised`, `weight` that of the keypoints that agree.
    """
    return float(posterior(log_likelihood_ratios([similarity], [weight], calibration), 1, calibration)[0][0])
