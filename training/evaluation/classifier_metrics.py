"""Figures of COMPA on validation pictures, for its model card."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.models.manifest import Rejection
from training.calibration.rejection import tempered
from training.data.labelled_images import CLEAN
from training.engine.feature_cache import Lessons
from training.evaluation.bootstrap import share_interval

Figures = dict[str, float | str]


def rejection_figures(
    probabilities: NDArray[np.float32], lessons: Lessons, rejection: Rejection, held_out: Collection[str]
) -> Figures:
    """Return accuracy and refused shares: of unchanged pictures, after each corruption, and of foreign families."""
    other = probabilities.shape[1] - 1
    refused = tempered(probabilities, rejection.temperature)[:, other] >= rejection.threshold
    good, happened = lessons.labels < other, np.array(lessons.mishaps)
    right = probabilities[:, :other].argmax(axis=1) == lessons.labels
    parts = {name: good & (happened == name) for name in dict.fromkeys(lessons.mishaps)}
    clean = parts.pop(CLEAN)
    unseen = np.isin(lessons.sources, list(held_out))
    figures: Figures = {
        "accuracy over the modalities": float(right[clean].mean()),
        "good pictures refused": float(refused[clean].mean()),
        "foreign pictures refused": share_of(refused[~good & ~unseen]),
        "foreign pictures refused, families never learned from": share_of(refused[~good & unseen]),
    }
    for name, part in parts.items():
        figures[f"accuracy, {name}"] = float(right[part].mean())
        figures[f"good pictures refused, {name}"] = float(refused[part].mean())
    return figures


def subtype_figures(
    answers: Mapping[str, NDArray[np.float32]], lessons: Lessons, names: Mapping[str, Sequence[str]]
) -> Figures:
    """Return the accuracy of sub-types, over upright validation pictures whose sub-type is known."""
    figures: Figures = {}
    for column, (modality, subtypes) in zip(lessons.subtypes.T, names.items(), strict=True):
        known = column >= 0
        right = answers[modality][known].argmax(axis=1) == column[known]
        figures[f"sub-type of {modality} ({', '.join(subtypes)})"] = share_of(right)
    return figures


def share_of(flags: NDArray[np.bool_]) -> str:
    """Format a share with its 95 % interval (Wilson) and the number of pictures."""
    if not len(flags):
        return "no such pictures"
    share = share_interval(int(flags.sum()), len(flags))
    return f"{share.value:.3f} ({share.low:.3f}-{share.high:.3f}, {len(flags)} pictures)"
