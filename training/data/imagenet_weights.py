"""Files of the ImageNet weights that training starts from. Standard library only."""

from __future__ import annotations

from pathlib import Path

LITE0_FILE = "efficientnet_lite0_imagenet_notop.keras"
MOBILENET_V2_FILE = "mobilenet_v2_1.0_224_imagenet_notop.weights.h5"
FILES = {"mobilenet_v2": MOBILENET_V2_FILE, "efficientnet_lite0": LITE0_FILE}
"""File names of the ImageNet weights, by backbone."""


def beside(data: Path) -> Path:
    """Return the folder that holds the weights if no other is named."""
    return data.parent / "weights"


def at_hand(weights: Path) -> set[str]:
    """Return the backbones whose weights lie in a folder."""
    return {backbone for backbone, file in FILES.items() if (weights / file).is_file()}


def require_weights(name: str, weights: Path | None) -> None:
    """Check that the ImageNet weights of a backbone, or of both parts of a hybrid, lie in a folder.

    Raises:
        ValueError: the folder or a file is missing. The message says which file to put where.
    """
    missing = [
        FILES[part] for part in name.split("+") if part in FILES and not (weights and (weights / FILES[part]).is_file())
    ]
    if missing:
        raise ValueError(
            f"The ImageNet weights of {name} are missing: {', '.join(missing)}. Put them into a folder `weights` beside"
            " the data folder, or name their folder with --weights (make: WEIGHTS=<folder>). Without them the network"
            " would start from random weights; if you want that, pass --random-weights (make: RANDOM_WEIGHTS=1)."
        )
