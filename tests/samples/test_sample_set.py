"""The committed sample set: its manifest, its files, and the code that draws the phantoms."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import cycle

import numpy as np
import pytest

from samples import Sample, sample_set
from samples.__main__ import redraw
from samples.phantoms import DRAW
from samples.sample_files import COLUMNS, MANIFEST, ROOT
from shared.images.decoding import decode_image
from shared.modalities import load_registry
from shared.modalities.registry import OTHER

SAMPLES = sample_set()
PHANTOMS = [sample for sample in SAMPLES if sample.kind == "phantom"]
REDRAWN = [
    next(sample for sample in PHANTOMS if (sample.modality, sample.role) == (modality, role))
    for modality, role in [*zip(DRAW, cycle(("enrol", "query", "stranger")), strict=False), (OTHER, "foreign")]
]
"""One of each modality, to save time."""


def _name(sample: Sample) -> str:
    return sample.path.relative_to(ROOT).as_posix()


def test_the_manifest_lists_every_file_once() -> None:
    files = {path for path in (ROOT / "images").rglob("*") if path.is_file()}
    assert Counter(sample.path for sample in SAMPLES) == Counter(files)
    assert MANIFEST.read_text(encoding="utf-8").splitlines()[0] == ",".join(COLUMNS)


def test_every_modality_has_samples() -> None:
    assert {sample.modality for sample in SAMPLES} == {*load_registry().names, OTHER}


@pytest.mark.parametrize("modality", DRAW)
def test_patients_have_two_acquisitions_and_strangers_one(modality: str) -> None:
    of_role = {
        role: Counter(s.patient_id for s in SAMPLES if (s.modality, s.role) == (modality, role))
        for role in ("enrol", "query", "stranger")
    }
    assert of_role["enrol"] == of_role["query"]
    assert set(of_role["enrol"].values()) | set(of_role["stranger"].values()) == {1}
    assert len(of_role["enrol"]) >= 4
    assert len(of_role["stranger"]) >= 2
    assert not of_role["enrol"].keys() & of_role["stranger"].keys()


def test_samples_can_be_chosen_by_role_and_modality() -> None:
    assert {(s.modality, s.role) for s in sample_set(modality="skin", role="query")} == {("skin", "query")}


def test_foreign_pictures_are_to_be_refused() -> None:
    foreign = sample_set(role="foreign")
    assert len(foreign) >= 2
    assert all(s.refused and s.modality == OTHER and not s.patient_id for s in foreign)
    assert not any(s.refused for s in SAMPLES if s.role != "foreign")


def test_every_patient_is_either_real_or_a_phantom() -> None:
    kinds = {(s.patient_id, s.kind) for s in SAMPLES if s.patient_id}
    assert len(kinds) == len({patient for patient, _ in kinds})
    assert all(s.source and s.licence for s in SAMPLES)


def test_the_readme_names_the_source_of_every_real_picture() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    packages = {s.source.split(",")[0] for s in SAMPLES if s.kind == "real"}
    assert packages == {"scikit-image", "pydicom", "nilearn", "mricron-data"}
    assert all(f"`{package}`" in readme for package in packages)


@pytest.mark.parametrize("sample", SAMPLES, ids=_name)
def test_every_file_decodes_and_is_small(sample: Sample) -> None:
    data = sample.read()
    pixels = decode_image(data).pixels
    assert len(data) < 150_000
    assert 100 <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= 512
    assert pixels.std() > 8


def test_one_sample_is_an_unchanged_dicom_file() -> None:
    (sample,) = (s for s in SAMPLES if s.path.suffix == ".dcm")
    image = decode_image(sample.read())
    assert image.dicom_modality in load_registry()[sample.modality].dicom_modalities


def test_no_two_files_show_the_same_pixels() -> None:
    digests = {hashlib.sha256(decode_image(s.read()).pixels.tobytes()).hexdigest() for s in SAMPLES}
    assert len(digests) == len(SAMPLES)


def test_the_whole_set_is_small() -> None:
    assert sum(path.stat().st_size for path in ROOT.rglob("*") if path.is_file()) < 6_000_000


@pytest.mark.parametrize("phantom", REDRAWN, ids=_name)
def test_the_code_draws_the_committed_phantoms(phantom: Sample) -> None:
    """With a tolerance: floating point and JPEG differ a little between processors."""
    made = decode_image(redraw(phantom)).pixels.astype(int)
    assert np.abs(made - decode_image(phantom.read()).pixels).mean() < 1.0
