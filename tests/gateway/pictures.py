"""Pictures and files made on the spot, and what COMPA says of them."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import httpx
import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from shared.contracts.internal import Classification
from shared.modalities import load_registry


def png(seed: int = 0, size: int = 96) -> bytes:
    """A PNG of smooth random colours; another seed is another person."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.float32)
    pixels = np.clip(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def plain_png(shade: int = 128, size: int = 96) -> bytes:
    """A PNG of one shade."""
    return cv2.imencode(".png", np.full((size, size), shade, np.uint8))[1].tobytes()


def as_format(kind: str, seed: int = 0) -> bytes:
    """The same picture in another format that Pillow writes."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png(seed))).save(buffer, kind)
    return buffer.getvalue()


def huge_png(side: int = 20_000) -> bytes:
    """The header of a PNG of side x side pixels, with next to no data behind it."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def dicom(modality: str = "CT", pixels: bool = True) -> bytes:
    """A single-frame DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.PatientID, dataset.PatientName = modality, "SECRET-7", "Secret^Name"
    if pixels:
        values = (np.random.default_rng(1).random((64, 64)) * 4000).astype(np.uint16)
        dataset.Rows, dataset.Columns = values.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.RescaleIntercept, dataset.RescaleSlope = -1024, 1
        dataset.PixelData = values.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def classifying(*images: tuple[str, float]) -> httpx.MockTransport:
    """A COMPA that names these labels with these probabilities, one an image; `other` has the rest."""
    labels = [*load_registry().names, "other"]
    rows = [{"other": 1 - probability, label: probability} for label, probability in images]
    answer = Classification(
        model=f"sha256:{'0' * 64}",
        labels=labels,
        probabilities=[[row.get(label, 0.0) for label in labels] for row in rows],
        accepted=[label != "other" for label, _ in images],
        subtypes=[],
    )
    return httpx.MockTransport(lambda _: httpx.Response(200, content=answer.model_dump_json()))
