"""Controls: pictures that must *not* identify a patient. A model that finds patients in them has learned a shortcut."""

from __future__ import annotations

import shutil
import weakref
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from shared.images.decoding import decode_image
from shared.images.foreground import annotation_mask, foreground_mask
from shared.images.views import Image
from shared.modalities import Modality
from training.evaluation.bootstrap import share_interval
from training.evaluation.protocol import Track
from training.evaluation.scorers import ShippedModel, Similarities

ALLOWED = 1.5
"""Largest rank-1 of a control, in multiples of chance."""
GREY = 128
MARGIN = 0.04
"""Margin of the mask beyond the anatomy, as a share of a side."""
NOISE = 16
"""Grey values of noise around the median of the surroundings. A couch or a letter differs by more."""
NOTHING_LEFT = 0.01
"""Below this share of the picture, the rest is not surroundings but the rim of the anatomy."""


@dataclass(frozen=True)
class Surroundings:
    """How to tell the anatomy of a modality from its surroundings; `dark` and `thin` as in `shared.images.foreground`.

    `marks`: the anatomy fills the picture and letters are burned into it. Otherwise letters are in the dark.
    """

    dark: float = 0.08
    thin: float = 0.0
    marks: bool = False


SURROUNDINGS = {"ct": Surroundings(dark=0.25, thin=0.06), "xray": Surroundings(thin=0.06, marks=True)}
"""Chosen on pictures of the training split. Other modalities take the defaults."""
BRIGHT, RISE = 225, 60
"""Lowest grey value of letters and arrows, and how much brighter than their neighbourhood they are."""


class BackgroundOnly:
    """Run the shipped system on pictures without anatomy: surroundings, frame and burned-in marks alone.

    The masked pictures are written to a folder that is deleted with this object. So both the network and the keypoints
    read masked pictures only.
    """

    def __init__(self, folder: Path, modality: Modality, root: Path) -> None:
        self.name = "control: background only"
        self._root, self._masked = root, Path(mkdtemp(prefix="masked-"))
        weakref.finalize(self, shutil.rmtree, self._masked)
        self._surroundings = SURROUNDINGS.get(modality.name, Surroundings())
        self.model = ShippedModel(folder, modality, self._masked)

    def similarities(self, track: Track) -> Similarities:
        """Return the similarities of the masked pictures."""
        for row in (*track.probes, *track.gallery):
            self._mask(row.path)
        return self.model.similarities(track)

    def _mask(self, path: str) -> None:
        masked = self._masked / path
        if masked.exists():
            return
        masked.parent.mkdir(parents=True, exist_ok=True)
        left = background(decode_image((self._root / path).read_bytes()).pixels, self._surroundings)
        masked.write_bytes(cv2.imencode(".png", cv2.cvtColor(left, cv2.COLOR_RGB2BGR))[1].tobytes())


def background(image: Image, surroundings: Surroundings) -> Image:
    """Return a copy of an image, uint8 (h, w, 3), with its anatomy painted over.

    The paint is drawn from pixels of the surroundings, so the outline of the body does not show, even in the noise of a
    scanner. If the anatomy fills the picture, as on skin and most chests, the result is even grey with the marks.
    """
    left = ~foreground_mask(image, dark=surroundings.dark, thin=surroundings.thin, margin=MARGIN)
    if left.mean() <= NOTHING_LEFT:
        left[:] = False
    shown = left | _letters(image) if surroundings.marks else left
    painted = np.full_like(image, GREY)
    if left.any():
        usual = np.median(image[left], axis=0)
        near = image[left & (np.abs(image - usual).max(axis=2) <= NOISE)]
        painted = np.random.default_rng(0).choice(near if len(near) else usual[np.newaxis], image.shape[:2])
    return np.where(shown[:, :, np.newaxis], image, painted.astype(np.uint8))


def _letters(image: Image) -> NDArray[np.bool_]:
    colourless = image.max(axis=2).astype(int) - image.min(axis=2) < 20
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    return np.asarray(annotation_mask(grey, bright=BRIGHT, rise=RISE) & colourless)


@dataclass(frozen=True)
class ChanceTest:
    """Rank-1 of a control against chance: exact 95 % interval (Clopper & Pearson 1934) and one-sided p values.

    `p_value` is the probability that 1.5 times chance finds as many or more. If it is small, the excess is real. It is
    too small if several probes show one person. `source_chance` is chance among people of the same source: a gallery
    may mix pictures of several collections, which are easy to tell apart.
    """

    found: int
    queries: int
    chance: float
    low: float
    high: float
    p_value: float
    source_chance: float
    source_p_value: float

    @property
    def verdict(self) -> str:
        """Whether the excess is real, and whether the source of a picture explains it."""
        if self.passed:
            return "as it should"
        return "finds the source" if self.source_p_value > 0.05 else "identifies"

    @property
    def passed(self) -> bool:
        """Whether rank-1 is not significantly above 1.5 times chance, at the 5 % level."""
        return self.p_value > 0.05


def chance_test(found: int, queries: int, chance: float, source_chance: float | None = None) -> ChanceTest:
    """Test `found` of `queries` against 1.5 times chance, by exact binomial tests. The default is a single source."""
    known = chance if source_chance is None else source_chance
    share = share_interval(found, queries, "exact")
    tails = [
        float(binomtest(found, queries, min(ALLOWED * share, 1.0), alternative="greater").pvalue)
        for share in (chance, known)
    ]
    return ChanceTest(found, queries, chance, share.low, share.high, tails[0], known, tails[1])
