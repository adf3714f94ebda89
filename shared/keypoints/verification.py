"""Local verification: match a probe's keypoints with those of its nearest candidates, in a cascade."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

ProbeMatches = tuple[GeometricMatch, ...]
"""The match of largest weight of each probe image with one candidate; empty if keypoints were not compared."""


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
        """Return the keypoints of the probe's images that `compared_images` selects."""
        return [self._extract(views[i]) for i in compared_images(len(views))]

    def match(self, probe: Sequence[Keypoints], candidates: Sequence[Sequence[bytes]]) -> list[ProbeMatches]:
        """Return, per candidate, the match of each probe image with the candidate's images.

        A candidate without keypoints, or with those of another version of the software only, has no match.
        """
        return [_match_images(probe, candidate) for candidate in candidates]


def compared_images(count: int) -> list[int]:
    """Return the places of the images of a probe whose keypoints are compared: `PROBE_IMAGES` evenly spread ones."""
    return sorted(set(np.linspace(0, count - 1, PROBE_IMAGES).round().astype(int).tolist()))


def largest(matches: Iterable[GeometricMatch]) -> GeometricMatch | None:
    """Return the match of largest weight, None if there is none."""
    return max(matches, key=lambda one: one.weight, default=None)


def _match_images(probe: Sequence[Keypoints], candidate: Sequence[bytes]) -> ProbeMatches:
    stored = [keypoints for data in candidate if (keypoints := unpack(data)) is not None]
    found = [largest(match_keypoints(a, b) for b in stored) for a in probe]
    return tuple(match for match in found if match)


def build_verifier(modality: Modality) -> LocalVerifier | None:
    """Return the verifier that the registry asks for, or None if local verification is off."""
    return LocalVerifier.from_modality(modality) if modality.local_verification else None
