"""Controls: what must *not* identify anybody. A model that finds patients here has not learned anatomy."""

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
from training.evaluation.protocol import Track
from training.evaluation.scorers import ShippedModel, Similarities

ALLOWED = 1.5
"""Times chance that a control may find."""
GREY = 128
MARGIN = 0.04
"""Share of a side that the mask reaches beyond the anatomy."""
NOISE = 16
"""Grey values around the usual colour of the surroundings that are its noise; a couch or a letter lies farther off."""
NOTHING_LEFT = 0.01
"""Share of the picture under which what is left is no surroundings but the rim of the anatomy."""


@dataclass(frozen=True)
class Surroundings:
    """How a modality's anatomy is told from what surrounds it; `dark` and `thin` as in `shared.images.foreground`.

    `marks` says that the anatomy fills the picture, with letters burned in upon it. Elsewhere letters are in the dark.
    """

    dark: float = 0.08
    thin: float = 0.0
    marks: bool = False


SURROUNDINGS = {"ct": Surroundings(dark=0.25, thin=0.06), "xray": Surroundings(thin=0.06, marks=True)}
"""By modality, found by looking at pictures of the training split; all others take the defaults."""
BRIGHT, RISE = 225, 60
"""Grey value of letters and arrows that are shown, and how much brighter than their neighbourhood they are."""


class BackgroundOnly:
    """The shipped system on pictures without their anatomy: surroundings, frame and burned-in marks alone.

    The masked pictures are written to a folder that lives as long as this object, so that everything that reads
    pictures, keypoints as well as the network, sees them and nothing else.
    """

    def __init__(self, folder: Path, modality: Modality, root: Path) -> None:
        self.name = "control: background only"
        self._root, self._masked = root, Path(mkdtemp(prefix="masked-"))
        weakref.finalize(self, shutil.rmtree, self._masked)
        self._surroundings = SURROUNDINGS.get(modality.name, Surroundings())
        self.model = ShippedModel(folder, modality, self._masked)

    def similarities(self, track: Track) -> Similarities:
        """As the model sees them, without what is of the body."""
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
    """A copy of uint8 (h, w, 3) whose anatomy is painted over.

    The paint is drawn from pixels of the surroundings, so that the mask's outline, which would be the body's, does not
    show, not even in the noise of a scanner. Where the anatomy fills the picture, as skin and most chests do, an even
    grey picture is left, and the marks.
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
    """What a control finds against what chance finds: exact 95 % interval (Clopper & Pearson 1934), one-sided p value.

    `p_value` is how likely chance times 1.5 finds as many or more: small says that the excess is real. Probes of one
    person are not independent, which makes it too small. The same against `source_chance`: what chance finds for who
    knows which collection a picture comes from, where a gallery mixes several.
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
        """Whether the excess is real, and whether knowing the source of a picture explains it."""
        if self.passed:
            return "as it should"
        return "finds the source" if self.source_p_value > 0.05 else "identifies"

    @property
    def passed(self) -> bool:
        """Not more than 1.5 times chance, or no more than luck explains at the 5 % level."""
        return self.p_value > 0.05


def chance_test(found: int, queries: int, chance: float, source_chance: float | None = None) -> ChanceTest:
    """Exact binomial tests of `found` of `queries` against 1.5 times chance; one source unless told otherwise."""
    known = chance if source_chance is None else source_chance
    interval = binomtest(found, queries).proportion_ci(method="exact")
    tails = [
        float(binomtest(found, queries, min(ALLOWED * share, 1.0), alternative="greater").pvalue)
        for share in (chance, known)
    ]
    return ChanceTest(found, queries, chance, float(interval.low), float(interval.high), tails[0], known, tails[1])
