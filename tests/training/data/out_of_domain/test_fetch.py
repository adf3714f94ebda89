"""With the real pip and dpkg-deb; what would come over the network lies in a folder."""

import os
import stat
import zipfile
from pathlib import Path

import pytest

from training.data.out_of_domain.collections import Collection, fetch_collections

APT_GET = """#!/bin/sh
[ "$3" = cats ] || exit 100
mkdir -p built/DEBIAN built/usr
printf 'Package: cats\\nVersion: 1\\nArchitecture: all\\n' > built/DEBIAN/control
printf 'Maintainer: nobody\\nDescription: cats\\n' >> built/DEBIAN/control
echo meow > built/usr/cat.txt
dpkg-deb --build built cats_1_all.deb > /dev/null
"""


@pytest.fixture
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip finds one wheel in a folder, apt-get one package."""
    with zipfile.ZipFile(tmp_path / "dogs-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("dogs/dog.txt", "woof")
        wheel.writestr("dogs-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: dogs\nVersion: 1.0\n")
        wheel.writestr("dogs-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    script = tmp_path / "bin" / "apt-get"
    script.parent.mkdir()
    script.write_text(APT_GET)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


def collection(name: str, kind: str, package: str) -> Collection:
    return Collection.model_validate(
        {"name": name, "kind": kind, "package": package, "files": ["**/*"], "licence": "x"}
    )


@pytest.mark.usefixtures("_offline")
def test_packages_are_unpacked_once_and_what_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unpacked = tmp_path / "unpacked"
    wanted = [
        collection("felines", "debian", "cats"),
        collection("canines", "wheel", "dogs==1.0"),
        collection("birds", "debian", "birds"),
        collection("here", "installed", "skimage"),
    ]
    assert fetch_collections(unpacked, wanted) == ["birds"]
    assert "birds" in capsys.readouterr().err
    assert (unpacked / "felines/usr/cat.txt").read_text() == "meow\n"
    assert (unpacked / "canines/dogs/dog.txt").read_text() == "woof"
    assert sorted(path.name for path in unpacked.iterdir()) == ["canines", "felines"]
    assert fetch_collections(unpacked, wanted[:2]) == []
