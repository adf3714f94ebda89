"""Synthetic pictures and files; nothing here is a picture of anybody."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from shared.images.views import Image

SaveImage = Callable[..., bytes]
MakeDicom = Callable[..., bytes]


@pytest.fixture
def photo() -> Image:
    """uint8 (96, 128, 3): gradients, rings and a little noise, different in each channel."""
    y, x = np.mgrid[0:96, 0:128].astype(np.float32)
    rings = 0.5 + 0.5 * np.sin(np.hypot(x - 50, y - 40) / 3)
    noise = np.random.default_rng(7).normal(0, 0.03, (96, 128, 3))
    channels = np.stack([x / 127, rings, 0.5 * y / 95 + 0.5 * rings], axis=-1) + noise
    return np.asarray(np.clip(255 * channels, 0, 255), dtype=np.uint8)


@pytest.fixture
def save() -> SaveImage:
    """Encode an array or a Pillow image: save(pixels, "PNG", **options of Pillow)."""

    def encode(image: Pillow.Image | NDArray[Any], file_format: str, **options: Any) -> bytes:
        picture = image if isinstance(image, Pillow.Image) else Pillow.fromarray(image)
        buffer = io.BytesIO()
        picture.save(buffer, file_format, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def make_dicom() -> MakeDicom:
    """Write stored values, (h, w) or (h, w, 3), as DICOM; keywords are further elements, None removes one."""

    def write(stored: NDArray[Any], *, part10: bool = True, **elements: Any) -> bytes:
        dataset = Dataset()
        dataset.SOPClassUID = SecondaryCaptureImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.PatientID = "SECRET-4711"
        dataset.Rows, dataset.Columns = stored.shape[:2]
        dataset.SamplesPerPixel = 1 if stored.ndim == 2 else 3
        dataset.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
        if stored.ndim == 3:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated = 8 * stored.itemsize
        dataset.BitsStored = elements.pop("BitsStored", dataset.BitsAllocated)
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(stored.dtype.kind == "i")
        dataset.PixelData = stored.tobytes()
        dataset["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
        for keyword, value in elements.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        buffer = io.BytesIO()
        if part10:
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.save_as(buffer, enforce_file_format=True)
        else:
            dataset.save_as(buffer, implicit_vr=True, little_endian=True)
        return buffer.getvalue()

    return write
