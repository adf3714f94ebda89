"""The decision rule, shared by gateway and evaluation."""

from __future__ import annotations

from shared.contracts.public import Decision


def decide(top: float | None, unknown: float, threshold: float | None) -> Decision:
    """Return `identified`, `candidates` or `unknown`.

    Args:
        top: probability of the top candidate (0 to 1); None if no patient is enrolled.
        unknown: probability that the patient is not enrolled (0 to 1). If it is at least `top`, and `top` is below the
            threshold, the decision is `unknown`.
        threshold: probability that identifies; None never identifies and always returns the nearest candidates.
    """
    if top is None:
        return "unknown"
    if threshold is None:
        return "candidates"
    if top >= threshold:
        return "identified"
    return "unknown" if unknown >= top else "candidates"
