"""Local verification: match a probe's keypoints with those of its nearest candidates, in a cascade."""

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
"""Nearest patients whose keypoints are compared, unless an earlier stage is certain."""
CERTAIN, LIKELY = 0.999999, 0.5
"""Probabilities of the first candidate that end the cascade: after the leaders, although vessels of two eyes may look
alike; and after `VERIFIED_CANDIDATES`."""
PROBE_IMAGES = 4
"""Images of a probe whose keypoints are compared. More images of a series add little and cost as much each."""


@dataclass(frozen=True, slots=True)
class CascadeStage:
    """One stage of the cascade: compare the nearest `candidates` patients, earlier stages included."""

    candidates: int
    stop_probability: float = 0.0
    """Probability of the first candidate that ends the cascade after this stage."""

    def stops(self, top: float) -> bool:
        """Whether the cascade ends, given the probability of the first candidate."""
        return top >= self.stop_probability


class LocalVerifier:
    """Extract and match keypoints of one modality; `upright` and `size` as in `extract_keypoints`.

    The cascade in `stages` first compares the leaders, with most of their images. It goes on to
    `VERIFIED_CANDIDATES` patients unless a leader is certain, then to `further` ones if none is likely.
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
        """Return the verifier that the registry describes, even if local verification is off."""
        return cls(upright=modality.upright, further=modality.further_candidates, size=modality.keypoint_size)

    def extract_template(self, view: Image) -> bytes:
        """Return the packed keypoints of a view, uint8 (h, w, 3): at most 40 kB."""
        return pack(self._extract(view))

    def extract_probe(self, views: Sequence[Image]) -> list[Keypoints]:
        """Return the keypoints of the probe's images, or of `PROBE_IMAGES` evenly spread ones if there are more."""
        spread = np.unique(np.linspace(0, len(views) - 1, PROBE_IMAGES).round().astype(int))
        return [self._extract(views[i]) for i in spread.tolist()]

    def match(self, probe: Sequence[Keypoints], candidates: Sequence[Sequence[bytes]]) -> list[GeometricMatch | None]:
        """Return, per candidate, the match of largest weight between its images and the probe's images.

        None if a candidate has no keypoints, or only those of another version of the software.
        """
        return [self._best_match(probe, candidate) for candidate in candidates]

    def _best_match(self, probe: Sequence[Keypoints], candidate: Sequence[bytes]) -> GeometricMatch | None:
        stored = [keypoints for data in candidate if (keypoints := unpack(data)) is not None]
        found = [match_keypoints(a, b) for a in probe for b in stored]
        return max(found, key=lambda one: one.weight, default=None)


def build_verifier(modality: Modality) -> LocalVerifier | None:
    """Return the verifier that the registry asks for, or None if local verification is off."""
    return LocalVerifier.from_modality(modality) if modality.local_verification else None
