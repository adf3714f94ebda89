"""`python -m samples` makes the set anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from samples import __main__ as command
from samples import catalogue, sources
from samples.catalogue import Entry
from samples.sample_files import MANIFEST
from samples.sources import SourceMissingError

COMMITTED = MANIFEST.read_bytes()


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Entry]:
    """The foreign pictures, which alone the command writes, into a folder of its own."""
    chosen = [e for e in catalogue.catalogue() if e.modality == "other"]
    monkeypatch.setattr(command, "catalogue", lambda: chosen)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "MANIFEST", tmp_path / "manifest.csv")
    return chosen


def test_it_writes_pictures_and_manifest(entries: list[Entry], tmp_path: Path) -> None:
    assert command.main() == 0
    assert all((tmp_path / entry.path).read_bytes() for entry in entries)
    written = (tmp_path / "manifest.csv").read_bytes().splitlines()
    assert len(written) == 4
    assert set(written) <= set(COMMITTED.splitlines())


def test_a_committed_file_stands_where_its_package_is_missing(entries: list[Entry], tmp_path: Path) -> None:
    def missing() -> bytes:
        raise SourceMissingError("some package")

    entries[:] = [replace(entries[0], make=missing)]
    assert command.main() == 1
    file = tmp_path / entries[0].path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"committed")
    assert command.main() == 0
    assert file.read_bytes() == b"committed"


def test_a_missing_volume_is_told_from_a_broken_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(sources.MRICRON, str(tmp_path))
    with pytest.raises(SourceMissingError):
        sources.colin27(78)


def test_the_dicom_file_is_the_packages_own() -> None:
    entry = next(e for e in catalogue.catalogue() if e.path.endswith(".dcm"))
    assert entry.make() == (MANIFEST.parent / entry.path).read_bytes()
