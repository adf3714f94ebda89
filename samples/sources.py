"""Real pictures out of packages that ship them; README.md quotes their licences.

Only `python -m samples` needs these packages (extra `dev`; `mricron-data` is Debian's), for what it makes of them is
committed.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.phantoms.texture import Picture

SIDE: Final = 288
"""Width and height of a square sample, in pixels."""
MRICRON: Final = "MRICRON_TEMPLATES"
"""Environment variable: the folder of the templates of `mricron-data`, if Debian's default does not apply."""


class SourceMissingError(Exception):
    """The package that a picture comes from is not installed."""


def photograph(name: str) -> Picture:
    """A picture in scikit-image's wheel, at most `SIDE` pixels high."""
    data = np.frombuffer(_packaged("skimage", f"data/{name}"), np.uint8)
    image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    height, width = image.shape[:2]
    scale = min(1.0, SIDE / height)
    size = (round(width * scale), round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


def dicom(name: str) -> bytes:
    """A test file of pydicom, as it is."""
    return _packaged("pydicom", f"data/test_files/{name}")


def colin27(height: int) -> Picture:
    """Axial slice of Colin Holmes' head at voxel `height` (1 mm) of mricron-data's `ch2.nii.gz`."""
    folder = Path(os.environ.get(MRICRON, "/usr/share/mricron/templates"))
    return _axial(_volume(folder / "ch2.nii.gz"), height)


def mni152(height: int) -> Picture:
    """Axial slice at voxel `height` (1 mm) of nilearn's MNI152 template: 152 brains averaged, without skulls."""
    name = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    with resources.as_file(_package("nilearn").joinpath(name)) as path:
        return _axial(_volume(path), height)


def _package(name: str) -> resources.abc.Traversable:
    try:
        return resources.files(name)
    except ModuleNotFoundError:
        raise SourceMissingError(name) from None


def _packaged(package: str, path: str) -> bytes:
    return _package(package).joinpath(path).read_bytes()


@cache
def _volume(path: Path) -> NDArray[np.float32]:
    """float32 (x, y, z), 0 to 1, x to the right, y to the front, z upwards."""
    try:
        import nibabel  # noqa: PLC0415 -- not installed where only the committed files are used
    except ModuleNotFoundError:
        raise SourceMissingError("nibabel") from None
    if not path.exists():
        raise SourceMissingError(path.name)
    image = nibabel.funcs.as_closest_canonical(nibabel.loadsave.load(path))  # type: ignore[no-untyped-call]
    values = np.asarray(image.dataobj, np.float32)
    return np.asarray(np.clip(values / np.percentile(values, 99.8), 0, 1), np.float32)


def _axial(volume: NDArray[np.float32], height: int) -> Picture:
    """Padded to a square with a margin, at `SIDE` pixels, as a console shows it: the patient's right on the left."""
    plane = np.rot90(volume[::-1, :, height])
    side = round(max(plane.shape) * 1.12)
    square = np.zeros((side, side), np.float32)
    top, left = (side - plane.shape[0]) // 2, (side - plane.shape[1]) // 2
    square[top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    pixels = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    grey = np.rint(np.clip(pixels, 0, 1) * 0.9 * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
