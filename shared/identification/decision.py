"""The decision rule, shared by gateway and evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.internal import ImageEvidence
from shared.contracts.public import Decision

MIN_SUPPORT = 2
"""Images of a probe of several that must support a patient before the patient is named."""


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


def supported_patient(image: ImageEvidence) -> str | None:
    """Return the patient whom one image supports, scored on its own; None if `unknown` is at least as probable."""
    return image.patient_id if image.probability > image.unknown_probability else None


def images_agree(images: Sequence[ImageEvidence], decision: Decision, first: str, threshold: float) -> bool:
    """Return whether the images of a probe of several agree on one patient.

    Args:
        images: evidence of each image, scored on its own.
        decision: that of all images together. If it is `identified`, `MIN_SUPPORT` images must support `first`.
        first: the first candidate of all images together.
        threshold: probability from which an image names the patient whom it supports. Two images must not name
            different patients. If the decision is `identified`, no image may name another patient than `first`.
    """
    supported = [supported_patient(image) for image in images]
    strong = {who for who, one in zip(supported, images, strict=True) if who and one.probability >= threshold}
    if decision == "identified":
        return supported.count(first) >= MIN_SUPPORT and strong <= {first}
    return len(strong) <= 1
