"""COMPA's figures on validation pictures, as the card gives them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from shared.models.manifest import Rejection
from training.calibration.rejection import tempered
from training.data.labelled_images import CLEAN
from training.engine.feature_cache import Lessons

Figures = dict[str, float | str]


def rejection_figures(
    probabilities: NDArray[np.float32], lessons: Lessons, rejection: Rejection, held_out: Collection[str]
) -> Figures:
    """Accuracy and shares refused: as they are, after each mishap, of families learned and held out."""
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
    """How often the sub-type is right, of upright validation pictures whose sub-type is known."""
    figures: Figures = {}
    for column, (modality, subtypes) in zip(lessons.subtypes.T, names.items(), strict=True):
        known = column >= 0
        right = answers[modality][known].argmax(axis=1) == column[known]
        figures[f"sub-type of {modality} ({', '.join(subtypes)})"] = share_of(right)
    return figures


def share_of(flags: NDArray[np.bool_]) -> str:
    """A share with its 95 % interval (Wilson) and the number of pictures behind it."""
    if not len(flags):
        return "no such pictures"
    interval = binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
    return f"{flags.mean():.3f} ({interval.low:.3f}-{interval.high:.3f}, {len(flags)} pictures)"
