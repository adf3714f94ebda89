r"""From similarities to the probability of each enrolled patient and of "nobody who is enrolled".

With N patients enrolled, a stranger prior \pi_0 and a flat prior (1 - \pi_0) / N over the patients, Bayes' rule gives

    P(i | s)       \propto  (1 - \pi_0) / N \cdot LR(s_i)
    P(unknown | s) \propto  \pi_0

where LR(s) = p(s | genuine) / p(s | impostor) is the likelihood ratio of one comparison, modelled log-linearly as
logistic regression does (Brümmer & du Preez 2006, "Application-independent evaluation of speaker detection"):
log LR(s) = scale * s + const. The constants join in `offset`; log N carries `size_exponent` (1 is Bayes' rule with
independent impostors). So the same similarity means less in a larger gallery, and "unknown" is one more class.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared.models.folder import Calibration


def posterior(
    similarities: ArrayLike, enrolled_patients: int, calibration: Calibration
) -> tuple[NDArray[np.float64], float]:
    """Probabilities of the patients behind `similarities` and of unknown; together they sum to 1.

    `similarities` is float (k,), one cosine per patient. Where k is smaller than `enrolled_patients`, the others are
    taken as far from the probe (their probability as 0).
    """
    scores = np.asarray(similarities, dtype=np.float64)
    logits = calibration.scale * scores + calibration.offset
    logits -= calibration.size_exponent * np.log(max(enrolled_patients, 1))
    logits = np.append(logits, 0.0)
    weights = np.exp(logits - logits.max())
    probabilities = weights / weights.sum()
    return probabilities[:-1], float(probabilities[-1])


def verification_probability(similarity: float, calibration: Calibration) -> float:
    """Probability that one claimed patient is the person: the posterior of a gallery of one."""
    return float(posterior([similarity], 1, calibration)[0][0])
