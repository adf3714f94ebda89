"""The decision rule, in one place for gateway and evaluation."""

from __future__ import annotations

from shared.contracts.public import Decision


def decide(top: float | None, unknown: float, threshold: float | None) -> Decision:
    """`identified`, `candidates` or `unknown`, from the top candidate's probability (None: nobody enrolled).

    "Nobody who is enrolled" is one more class: where it is likelier than every patient, the answer is `unknown`.
    Without a threshold (None) nobody is identified, and whoever is nearest is a candidate, however unlikely.
    """
    if top is None:
        return "unknown"
    if threshold is None:
        return "candidates"
    if top >= threshold:
        return "identified"
    return "unknown" if unknown >= top else "candidates"
