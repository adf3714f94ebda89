"""Pack keypoints to the bytes that the gallery stores: at most 40 kB per picture."""

from __future__ import annotations

import struct

import numpy as np

from shared.keypoints.extraction import Keypoints

HEADER = struct.Struct("<BBH")
"""Version, upright flag, number of keypoints."""
VERSION = 1
SUBPIXELS = 64
"""Positions are stored in 1/64 pixel, so that views of up to 1,023 pixels fit into 16 bits."""


def pack(keypoints: Keypoints) -> bytes:
    """Return header, positions and descriptors as bytes."""
    positions = np.round(keypoints.positions * SUBPIXELS).astype("<u2")
    header = HEADER.pack(VERSION, keypoints.upright, len(keypoints))
    return header + positions.tobytes() + keypoints.descriptors.tobytes()


def unpack(data: bytes) -> Keypoints | None:
    """Return the keypoints of `pack`'s bytes, or None if another version of the software packed them.

    Raises ValueError if the bytes are damaged.
    """
    version, upright, count = HEADER.unpack_from(data) if len(data) >= HEADER.size else (VERSION, 0, 1)
    if version != VERSION:
        return None
    if len(data) != HEADER.size + count * (4 + 128):
        raise ValueError("the packed keypoints are cut off or damaged")
    positions = np.frombuffer(data, "<u2", 2 * count, HEADER.size).reshape(count, 2)
    descriptors = np.frombuffer(data, np.uint8, offset=HEADER.size + 4 * count).reshape(count, 128)
    return Keypoints(positions.astype(np.float32) / np.float32(SUBPIXELS), descriptors, bool(upright))
