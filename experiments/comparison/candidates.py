"""The candidates, one per row of the table. Each changes one thing of another candidate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

MODALITIES = ("fundus", "skin", "mri")
"""Modalities with enough subjects who have several visits in the training split."""
SIZE = 96
"""Pixels of a side, in training and in validation."""
REFERENCE = "reference"

Loss = Literal["cosine softmax + triplet", "cosine softmax", "softmax", "triplet"]


@dataclass(frozen=True)
class Candidate:
    """One way to build and train the networks of all modalities.

    It differs in one thing from the candidate `against` (MaMI: in its two parts).
    """

    key: str
    question: str
    title: str
    against: str = REFERENCE
    trunk: str = "mobilenet_v2"
    pretrained: bool = True
    trained: bool = True
    together: bool = True
    one_head: bool = False
    loss: Loss = "cosine softmax + triplet"
    bases: int = 0
    taught: bool = False

    @property
    def learned(self) -> str:
        """The trained part of the network, in words."""
        if not self.trained:
            return "nothing"
        return "all but batch normalisation" if self.pretrained else "all, from random weights"


HYBRID = "efficientnet_lite0+mobilenet_v2"
TEACHER = Candidate("frozen-hybrid", "start", "hybrid, frozen, whitened (the teacher)", "frozen", HYBRID, trained=False)
"""The largest network with pretrained weights: both backbones joined, more than twice the student."""
ONE_HEAD = Candidate("one-head", "b", "one trunk and one head for all", one_head=True)
BASES = replace(ONE_HEAD, key="bases", title="the same, with modality bases", against="one-head", bases=4)
MAMI = replace(BASES, key="mami", title="with modality bases and taught by differences: MaMI in small", taught=True)
RANDOM = Candidate("random", "c", "MobileNetV2 without ImageNet weights", pretrained=False)
CANDIDATES = (
    Candidate("frozen", "start", "MobileNetV2, frozen, whitened", trained=False),
    Candidate(REFERENCE, "a", "one trunk for all, a head each (reference)"),
    Candidate("separate", "a", "one network per modality", together=False),
    Candidate("softmax", "d", "softmax (linear head)", loss="softmax"),
    Candidate("cosine", "d", "cosine softmax alone", loss="cosine softmax"),
    Candidate("triplet", "d", "batch-hard triplet alone", loss="triplet"),
    ONE_HEAD,
    TEACHER,
    MAMI,
    Candidate("lite0", "c", "EfficientNet-Lite0", trunk="efficientnet_lite0"),
    Candidate("hybrid", "c", "hybrid of EfficientNet-Lite0 and MobileNetV2", trunk=HYBRID),
    RANDOM,
    BASES,
    replace(
        RANDOM,
        key="mobilenet",
        title="MobileNet without ImageNet weights",
        against="random",
        trunk="mobilenet",
    ),
    replace(
        RANDOM,
        key="resnet50",
        title="ResNet50V2 without ImageNet weights",
        against="random",
        trunk="resnet50",
    ),
)
"""In the order of training."""
