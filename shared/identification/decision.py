"""The decision rule, in one place for gateway and evaluation."""

from __future__ import annotations

from shared.contracts.public import Decision


def decide(top: float | None, unknown: float, threshold: float) -> Decision:
    """`identified`, `candidates` or `unknown`, from the top candidate's probability (None: nobody enrolled).

    "Nobody who is enrolled" is one more class: where it is likelier than every patient, the answer is `unknown`.
    """
    if top is None:
        return "unknown"
    if top >= threshold:
        return "identified"
    return "unknown" if unknown >= top else "candidates"
