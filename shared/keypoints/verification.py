"""Local verification: the keypoints of a probe against those that the gallery keeps of its nearest candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from shared.gallery.interface import LEADERS
from shared.images.views import Image
from shared.keypoints.extraction import Keypoints, extract_keypoints
from shared.keypoints.geometry import GeometricMatch, match_keypoints
from shared.keypoints.packing import pack, unpack
from shared.modalities import Modality

VERIFIED_CANDIDATES = 20
"""Nearest patients whose keypoints are compared, unless the first few leave no doubt."""
CERTAIN, LIKELY = 0.999999, 0.5
"""Probabilities of a patient: from the first on it is nobody else, though vessels may run alike; from the second on it
is likelier than all else together."""
PROBE_IMAGES = 4
"""Images of one probe whose keypoints are compared: more of a series say little more and cost as much each."""


@dataclass(frozen=True, slots=True)
class CascadeStage:
    """So many of the nearest patients are compared by keypoints: all of the rounds before, and then the next ones."""

    candidates: int
    stop_probability: float = 0.0
    """Probability of the first candidate from which there is no next round."""

    def stops(self, top: float) -> bool:
        """Whether nobody else is compared, by the probability of the first candidate."""
        return top >= self.stop_probability


class LocalVerifier:
    """The local part of one modality's templates; `upright` and `size` as in `extract_keypoints`.

    `rounds` says who is compared: the leaders first, who come with most of their images; the other `CANDIDATES` unless
    one of those is clearly the person; `further` ones where nobody was found until then.
    """

    def __init__(self, *, upright: bool, further: int = 0, size: int | None = None) -> None:
        self._extract = partial(extract_keypoints, upright=upright, size=size)
        last = (
            (CascadeStage(VERIFIED_CANDIDATES, LIKELY), CascadeStage(VERIFIED_CANDIDATES + further))
            if further
            else (CascadeStage(VERIFIED_CANDIDATES),)
        )
        self.stages = (CascadeStage(LEADERS, CERTAIN), *last)

    @classmethod
    def from_modality(cls, modality: Modality) -> LocalVerifier:
        """The one that the registry describes, whether it is switched on or not."""
        return cls(upright=modality.upright, further=modality.further_candidates, size=modality.keypoint_size)

    def extract_template(self, view: Image) -> bytes:
        """The local part of a template, of an uint8 (h, w, 3) view: at most 40 kB."""
        return pack(self._extract(view))

    def extract_probe(self, views: Sequence[Image]) -> list[Keypoints]:
        """The keypoints of a probe's images, of `PROBE_IMAGES` evenly spread ones where there are more."""
        spread = np.unique(np.linspace(0, len(views) - 1, PROBE_IMAGES).round().astype(int))
        return [self._extract(views[i]) for i in spread.tolist()]

    def match(self, probe: Sequence[Keypoints], candidates: Sequence[Sequence[bytes]]) -> list[GeometricMatch | None]:
        """Per candidate, the weightiest agreement of one of its images with one of the probe's.

        None for a candidate without a local part, or with one that another version of the software made.
        """
        return [self._weightiest(probe, candidate) for candidate in candidates]

    def _weightiest(self, probe: Sequence[Keypoints], candidate: Sequence[bytes]) -> GeometricMatch | None:
        stored = [keypoints for data in candidate if (keypoints := unpack(data)) is not None]
        found = [match_keypoints(a, b) for a in probe for b in stored]
        return max(found, key=lambda one: one.weight, default=None)


def build_verifier(modality: Modality) -> LocalVerifier | None:
    """What the registry asks for: None where local verification is off."""
    return LocalVerifier.from_modality(modality) if modality.local_verification else None
