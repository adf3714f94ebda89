"""What the sample set holds and how each file is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import cv2
import numpy as np

from samples import sources
from samples.phantoms import DRAW, Picture
from samples.rephotograph import rephotograph
from samples.report_page import report_page
from samples.sample_files import Kind, Role

ENROLMENT_QUALITY: Final = 93
QUERY_QUALITY: Final = 84
"""JPEG qualities of the first and the second acquisition."""

DRAWN: Final = "samples/phantoms"
OWN: Final = "as this project"
CC0: Final = "CC0 1.0"
MNI: Final = "MNI (any purpose, with notice)"


@dataclass(frozen=True)
class Entry:
    """One row of the manifest and the function that makes its file's bytes."""

    path: str
    modality: str
    patient_id: str
    role: Role
    kind: Kind
    source: str
    licence: str
    make: Callable[[], bytes]


@dataclass(frozen=True)
class _Subject:
    """A real or generated subject. `first` makes the first picture, `second` the scene of the second acquisition."""

    kind: Kind
    source: str
    licence: str
    first: Callable[[], Picture]
    second: Callable[[], Picture] | None = None


def _phantom(modality: str, seed: int) -> _Subject:
    return _Subject("phantom", f"{DRAWN}/{modality}.py, seed {seed}", OWN, partial(DRAW[modality], seed, sources.SIDE))


RETINA: Final = _Subject("real", "scikit-image, data/retina.jpg", CC0, partial(sources.photograph, "retina.jpg"))
COLIN27: Final = _Subject(
    "real", "mricron-data, ch2.nii.gz (Colin27)", MNI, partial(sources.colin27, 78), partial(sources.colin27, 80)
)
MNI152: Final = _Subject("real", "nilearn, MNI152 T1 template", MNI, partial(sources.mni152, 108))

# Seeds: README.md says how they were chosen.
ENROLLED: Final = {
    "ct": [_phantom("ct", seed) for seed in (114, 32, 5, 28, 107)],
    "mri": [COLIN27, *(_phantom("mri", seed) for seed in (9, 1, 119, 73))],
    "fundus": [RETINA, *(_phantom("fundus", seed) for seed in (121, 59, 126, 49))],
    "skin": [_phantom("skin", seed) for seed in (80, 76, 110, 29, 8)],
}
STRANGERS: Final = {
    "ct": [_phantom("ct", 44)],
    "mri": [MNI152, _phantom("mri", 127)],
    "fundus": [_phantom("fundus", seed) for seed in (144, 21)],
    "skin": [_phantom("skin", seed) for seed in (115, 72)],
}


def catalogue() -> list[Entry]:
    """Every file of the set, in the order of the manifest."""
    entries = [entry for modality in DRAW for entry in _of_modality(modality)]
    return [*entries, *_foreign()]


def _of_modality(modality: str) -> Iterator[Entry]:
    for number, subject in enumerate(ENROLLED[modality], start=1):
        again = partial(_taken_again, subject, number)
        yield _entry(modality, number, subject, "enrol", "1.jpg", partial(_jpeg_of, subject.first))
        yield _entry(modality, number, subject, "query", "2.jpg", again)
    first_stranger = len(ENROLLED[modality]) + 1
    for number, subject in enumerate(STRANGERS[modality], start=first_stranger):
        yield _entry(modality, number, subject, "stranger", "1.jpg", partial(_taken_again, subject, number))
    if modality == "ct":
        yield _dicom(first_stranger + len(STRANGERS[modality]))


def _entry(modality: str, number: int, subject: _Subject, role: Role, end: str, make: Callable[[], bytes]) -> Entry:
    path = f"images/{modality}/{number:02d}-{end}"
    patient = f"{modality}-{number:02d}"
    return Entry(path, modality, patient, role, subject.kind, subject.source, subject.licence, make)


def _dicom(number: int) -> Entry:
    make = partial(sources.dicom, "CT_small.dcm")
    source = "pydicom, data/test_files/CT_small.dcm, as it is"
    return Entry(
        f"images/ct/{number:02d}-1.dcm", "ct", f"ct-{number:02d}", "stranger", "real", source, "MIT (pydicom)", make
    )


def _foreign() -> Iterator[Entry]:
    for name, make in (("chelsea.png", None), ("coffee.png", None), ("report", report_page)):
        picture = make or partial(sources.photograph, name)
        kind: Kind = "phantom" if make else "real"
        source, licence = ("samples/report_page.py", OWN) if make else (f"scikit-image, data/{name}", CC0)
        path = f"images/other/{name.removesuffix('.png')}.jpg"
        yield Entry(path, "other", "", "foreign", kind, source, licence, partial(_jpeg_of, picture))


def _jpeg_of(make: Callable[[], Picture]) -> bytes:
    return jpeg(make(), ENROLMENT_QUALITY)


def _taken_again(subject: _Subject, seed: int) -> bytes:
    return jpeg(rephotograph((subject.second or subject.first)(), seed), QUERY_QUALITY)


def jpeg(image: Picture, quality: int) -> bytes:
    """Encode as JPEG, with one channel if the picture is grey."""
    is_grey = bool((image[..., :1] == image).all())
    channels = image[..., 0] if is_grey else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(channels), _parameters(quality))
    return data.tobytes()


def _parameters(quality: int) -> Sequence[int]:
    return (cv2.IMWRITE_JPEG_QUALITY, quality)
