"""The decision rule, in one place for gateway and evaluation."""

from __future__ import annotations

from shared.contracts.public import Decision

UNKNOWN_FROM = 0.5
"""From this probability of "nobody who is enrolled" on, that is likelier than all patients together."""


def decide(top: float | None, unknown: float, threshold: float) -> Decision:
    """`identified`, `candidates` or `unknown`, from the top candidate's probability (None: nobody enrolled)."""
    if top is None:
        return "unknown"
    if top >= threshold:
        return "identified"
    return "unknown" if unknown >= UNKNOWN_FROM else "candidates"
